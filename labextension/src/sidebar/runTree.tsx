import { useVirtualizer } from '@tanstack/react-virtual';
import {
  useEffect,
  useRef,
  useState,
  type CSSProperties,
  type KeyboardEvent,
  type ReactElement
} from 'react';

import { useAml } from '../ui/context';
import { RowView } from './rowView';
import type { Row } from './rows';
import type { SidebarModel } from './sidebarModel';

const ROW_HEIGHT = 26;

/** The list as an ARIA tree: arrows move, right and left open and close, Enter opens. Only rows in view exist. */
export function RunTree({ model }: { model: SidebarModel }): ReactElement {
  const { trans, openRun } = useAml();
  const rows = model.rows;
  const scroller = useRef<HTMLDivElement>(null);
  const [activeKey, setActiveKey] = useState<string | null>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: index => rows[index]?.key ?? index,
    overscan: 12
  });
  const items = virtualizer.getVirtualItems();
  useLoadMore(
    rows,
    items.map(item => item.index)
  );
  const found = rows.findIndex(row => row.key === activeKey);
  const active = Math.max(0, found);

  const moveTo = (index: number): void => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    if (row !== undefined) {
      setActiveKey(row.key);
      virtualizer.scrollToIndex(rows.indexOf(row));
    }
  };
  const activate = (row: Row | undefined): void => {
    if (row?.kind === 'run') {
      openRun(row.run.id);
    } else if (row?.kind === 'experiment') {
      model.toggle(row.experiment.name);
    } else if (row?.kind === 'error') {
      row.retry();
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[active];
    const isOpen = row?.kind === 'experiment' && row.expanded;
    const handlers: Record<string, () => void> = {
      ArrowDown: () => moveTo(active + 1),
      ArrowUp: () => moveTo(active - 1),
      Home: () => moveTo(0),
      End: () => moveTo(rows.length - 1),
      PageDown: () => moveTo(active + 20),
      PageUp: () => moveTo(active - 20),
      Enter: () => activate(row),
      ArrowRight: () =>
        row?.kind === 'experiment' && !isOpen ? activate(row) : moveTo(active + 1),
      ArrowLeft: () => (isOpen ? activate(row) : moveTo(parentOf(rows, active)))
    };
    const handler = handlers[event.key];
    if (handler !== undefined && event.target === event.currentTarget) {
      event.preventDefault();
      handler();
    }
  };
  const activeRow = rows[active];
  return (
    <div
      className="jp-aml-tree"
      ref={scroller}
      role="tree"
      aria-label={trans.__('Experiments and runs')}
      aria-activedescendant={activeRow ? rowId(activeRow) : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div style={{ height: virtualizer.getTotalSize(), position: 'relative' }}>
        {items.map(item => {
          const row = rows[item.index];
          return (
            row && (
              <RowView
                key={row.key}
                id={rowId(row)}
                row={row}
                active={item.index === active}
                style={at(item.start)}
                onActivate={() => {
                  setActiveKey(row.key);
                  activate(row);
                }}
              />
            )
          );
        })}
      </div>
    </div>
  );
}

/** Fetch the next page as soon as the end of what is here comes into view. */
function useLoadMore(rows: Row[], visible: number[]): void {
  const pending = visible
    .map(index => rows[index])
    .filter(row => row?.kind === 'more')
    .map(row => row.key)
    .join(' ');
  const latest = useRef(rows);
  latest.current = rows;
  const count = rows.length;
  useEffect(() => {
    latest.current.forEach(row => {
      if (row.kind === 'more' && pending.split(' ').includes(row.key)) {
        void row.pager.loadMore();
      }
    });
  }, [pending, count]);
}

function parentOf(rows: Row[], index: number): number {
  for (let at = index; at >= 0; at--) {
    if (rows[at]?.kind === 'experiment') {
      return at;
    }
  }
  return 0;
}

function rowId(row: Row): string {
  return `jp-aml-row-${row.key.replace(/[^\w-]/g, '_')}`;
}

function at(top: number): CSSProperties {
  return {
    position: 'absolute',
    top: 0,
    left: 0,
    right: 0,
    height: ROW_HEIGHT,
    transform: `translateY(${top}px)`
  };
}
