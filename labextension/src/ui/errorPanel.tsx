import type { ReactElement } from 'react';

import type { IRunError, RunStatus } from '../api/types';
import { visible } from '../text/ansi';
import { AnsiText } from './ansiText';
import { useAml } from './context';

/** Why a run failed: class and message, the cell, and the traceback on demand. */
export function ErrorPanel(props: {
  error: IRunError;
  status: RunStatus;
  open?: boolean;
}): ReactElement {
  const { trans } = useAml();
  const { error, status } = props;
  // Who canceled a run knows why it ended.
  const open = props.open && status !== 'Canceled';
  const cell = typeof error.cell === 'number' ? error.cell + 1 : null;
  const tail = error.log_tail ?? [];
  return (
    <section className="jp-aml-run-error" data-status={status} aria-label={trans.__('Error')}>
      <p>
        {error.class && <strong>{visible(error.class)}: </strong>}
        <span>{visible(error.message ?? error.reason ?? trans.__('The run failed.'))}</span>
      </p>
      {cell !== null && (
        <p className="jp-aml-note">{trans.__('In cell %1 of the notebook', cell)}</p>
      )}
      {error.traceback ? (
        <details open={open}>
          <summary>{trans.__('Traceback')}</summary>
          <AnsiText text={error.traceback} />
        </details>
      ) : (
        tail.length > 0 && (
          <details open={open}>
            <summary>{trans.__('Last lines of the log')}</summary>
            <AnsiText text={tail.join('\n')} />
          </details>
        )
      )}
    </section>
  );
}
