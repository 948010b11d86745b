import type { TranslationBundle } from '@jupyterlab/translation';
import { useCallback, type ReactElement } from 'react';

import { isFinal } from '../api/status';
import type { ICellProgress, IRun } from '../api/types';
import { useLoaded, useNow } from '../live/hooks';
import { visible } from '../text/ansi';
import { formatDuration } from '../text/format';
import { useAml } from '../ui/context';
import { ErrorMessage } from '../ui/messages';

/** The notebook's cells and how far each is; nothing for a run that has none. */
export function CellList({ run }: { run: IRun }): ReactElement | null {
  const { client, trans } = useAml();
  const { id, status } = run;
  const done = run.progress?.done;
  const index = run.progress?.index;
  const load = useCallback(
    () => client.cells(id),
    // Asked again when the run went on.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, id, status, done, index]
  );
  const { value: cells, error } = useLoaded(run.progress === null ? null : load);
  const ticking = !isFinal(status) && (cells ?? []).some(cell => cell.state === 'running');
  const now = useNow(ticking);
  if (error) {
    return <ErrorMessage error={error} />;
  }
  if (cells === null || cells.length === 0) {
    return null;
  }
  return (
    <section className="jp-aml-cells">
      <h3>{trans.__('Cells')}</h3>
      <ol>
        {cells.map(cell => (
          <li key={cell.index} data-state={stateOf(cell, run)}>
            <CellMark state={stateOf(cell, run)} trans={trans} />
            <span className="jp-aml-cell-number">{cell.index + 1}</span>
            <code>{visible(cell.label)}</code>
            <span className="jp-aml-duration">{cellDuration(cell, now)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function CellMark(props: { state: string; trans: TranslationBundle }): ReactElement {
  const { trans } = props;
  const labels: Record<string, string | undefined> = {
    pending: trans.__('Not run yet'),
    running: trans.__('Running'),
    completed: trans.__('Completed'),
    failed: trans.__('Failed'),
    canceled: trans.__('Canceled')
  };
  const label = labels[props.state] ?? visible(props.state);
  return <span className="jp-aml-mark" role="img" aria-label={label} title={label} />;
}

/** The cell that a cancel interrupted did not fail by itself. */
function stateOf(cell: ICellProgress, run: IRun): string {
  return cell.state === 'failed' && run.status === 'Canceled' ? 'canceled' : cell.state;
}

function cellDuration(cell: ICellProgress, now: number): string {
  if (cell.started_at === null) {
    return '';
  }
  const end = cell.ended_at ?? (cell.state === 'running' ? now : null);
  return end === null ? '' : formatDuration(Math.max(0, end - cell.started_at));
}
