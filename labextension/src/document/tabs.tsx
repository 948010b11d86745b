import { useId, useRef, type KeyboardEvent, type ReactElement, type ReactNode } from 'react';

export interface ITab<T extends string> {
  id: T;
  label: string;
}

/** Tabs after the ARIA pattern: arrow keys move, one tab stop for the bar. Only the open panel is mounted. */
export function Tabs<T extends string>(props: {
  label: string;
  tabs: ITab<T>[];
  current: T;
  onChange: (id: T) => void;
  children: ReactNode;
}): ReactElement {
  const { label, tabs, current, onChange, children } = props;
  const base = useId();
  const bar = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = tabs.findIndex(tab => tab.id === current);
    const to = target(event.key, at, tabs.length);
    const next = to === null ? undefined : tabs[to];
    if (next !== undefined) {
      event.preventDefault();
      onChange(next.id);
      bar.current?.querySelectorAll('button')[to ?? 0]?.focus();
    }
  };
  return (
    <>
      <div className="jp-aml-tabs" role="tablist" aria-label={label} ref={bar}>
        {tabs.map(tab => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            aria-selected={tab.id === current}
            aria-controls={`${base}-panel`}
            tabIndex={tab.id === current ? 0 : -1}
            onClick={() => onChange(tab.id)}
            onKeyDown={onKeyDown}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div
        className="jp-aml-tabpanel"
        role="tabpanel"
        id={`${base}-panel`}
        aria-labelledby={`${base}-${current}`}
      >
        {children}
      </div>
    </>
  );
}

function target(key: string, at: number, count: number): number | null {
  switch (key) {
    case 'ArrowRight':
      return (at + 1) % count;
    case 'ArrowLeft':
      return (at - 1 + count) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
