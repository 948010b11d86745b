import { caretDownIcon, caretRightIcon, closeIcon } from '@jupyterlab/ui-components';
import { useState, type CSSProperties, type MouseEvent, type ReactElement } from 'react';

import { canCancel } from '../api/status';
import type { IExperiment, IRun } from '../api/types';
import { visible } from '../text/ansi';
import { useMay } from '../ui/access';
import { useAml } from '../ui/context';
import { Name } from '../ui/name';
import { cancelRun } from '../ui/runActions';
import { StatusDot } from '../ui/status';
import { Duration } from '../ui/times';
import type { Row } from './rows';

interface IRowProps {
  id: string;
  row: Row;
  active: boolean;
  style: CSSProperties;
  onActivate: () => void;
}

/** One line of the sidebar. Keys are handled by the tree, which knows the lines around this one. */
export function RowView(props: IRowProps): ReactElement {
  const { id, row, active, style, onActivate } = props;
  const level = row.kind === 'run' || row.kind === 'empty' ? row.level : 1;
  return (
    // The tree has the focus and handles the keys (aria-activedescendant).
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div
      id={id}
      className="jp-aml-row"
      role="treeitem"
      aria-level={level}
      aria-selected={active}
      aria-expanded={row.kind === 'experiment' ? row.expanded : undefined}
      data-level={level}
      style={style}
      onClick={onActivate}
    >
      <RowContent row={row} />
    </div>
  );
}

function RowContent({ row }: { row: Row }): ReactElement {
  const { trans } = useAml();
  switch (row.kind) {
    case 'experiment':
      return <ExperimentRow experiment={row.experiment} expanded={row.expanded} />;
    case 'run':
      return <RunRow run={row.run} withExperiment={row.withExperiment} />;
    case 'more':
      return <span className="jp-aml-quiet">{trans.__('Loading…')}</span>;
    case 'empty':
      return <span className="jp-aml-quiet">{trans.__('No runs')}</span>;
    case 'error':
      return (
        <span className="jp-aml-row-error" title={visible(row.error.hint ?? row.error.message)}>
          {trans.__('%1 Click to try again.', visible(row.error.message))}
        </span>
      );
  }
}

function ExperimentRow(props: { experiment: IExperiment; expanded: boolean }): ReactElement {
  const Caret = props.expanded ? caretDownIcon : caretRightIcon;
  return (
    <>
      <Caret.react tag="span" className="jp-aml-caret" />
      <Name text={props.experiment.name} className="jp-aml-strong" />
      <span className="jp-aml-spacer" />
      <span className="jp-aml-count">{props.experiment.run_count}</span>
    </>
  );
}

function RunRow({ run, withExperiment }: { run: IRun; withExperiment: boolean }): ReactElement {
  const { progress } = run;
  const mayCancel = useMay('cancel');
  const isLive = run.ended_at === null && progress !== null;
  return (
    <>
      <StatusDot status={run.status} />
      <Name text={run.display_name || run.id} />
      {withExperiment && <Name text={run.experiment} className="jp-aml-quiet" />}
      <span className="jp-aml-spacer" />
      {isLive && <span className="jp-aml-count">{`${progress.done}/${progress.total}`}</span>}
      <Duration run={run} />
      {mayCancel && canCancel(run) && <CancelButton run={run} />}
    </>
  );
}

function CancelButton({ run }: { run: IRun }): ReactElement {
  const context = useAml();
  const { trans } = context;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const label = problem ?? trans.__('Cancel %1', visible(run.display_name));
  const onClick = (event: MouseEvent): void => {
    event.stopPropagation();
    setBusy(true);
    cancelRun(context, run.id)
      .catch((thrown: Error) => setProblem(visible(thrown.message)))
      .finally(() => setBusy(false));
  };
  return (
    <button
      type="button"
      className="jp-aml-icon-button"
      aria-label={label}
      title={label}
      data-problem={problem !== null}
      disabled={busy}
      onClick={onClick}
    >
      <closeIcon.react tag="span" elementSize="small" />
    </button>
  );
}
