import type { ReactElement } from 'react';

import type { IProgress, RunStatus } from '../api/types';
import { visible } from '../text/ansi';
import { useAml } from './context';

/** How many cells are done, as a bar and in words; with the current cell's first line when there is room. */
export function CellProgress(props: {
  progress: IProgress;
  status: RunStatus;
  withLabel?: boolean;
}): ReactElement {
  const { trans } = useAml();
  const { progress, status, withLabel } = props;
  const total = Math.max(0, progress.total);
  const done = Math.min(Math.max(0, progress.done), total);
  const running = status === 'Running' || status === 'CancelRequested';
  return (
    <div className="jp-aml-progress">
      <progress
        className="jp-aml-progress-bar"
        data-status={status}
        max={total || 1}
        value={done}
        aria-label={trans.__('Cells done')}
      />
      <span className="jp-aml-progress-text">{trans.__('%1 of %2 cells', done, total)}</span>
      {withLabel && running && progress.label && (
        <code className="jp-aml-progress-label" title={visible(progress.label)}>
          {visible(progress.label)}
        </code>
      )}
    </div>
  );
}
