import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { IRun, IRunError } from '../api/types';
import { visible } from '../text/ansi';
import { AnsiText } from './ansiText';
import { useAml } from './context';
import { Note } from './messages';

/** Why a run failed: class and message, the cell, and the traceback on demand. Why it was canceled, in a line. */
export function ErrorPanel({ run, open }: { run: IRun; open?: boolean }): ReactElement | null {
  const { trans } = useAml();
  if (run.status === 'Canceled') {
    return <Note>{whyCanceled(run.error, trans)}</Note>;
  }
  return run.error && <Failure kind={run.kind} error={run.error} open={open} />;
}

function Failure(props: { kind: string; error: IRunError; open?: boolean }): ReactElement {
  const { trans } = useAml();
  const { kind, error, open } = props;
  // A run of one cell has no other: its number would be that of the notebook made for it.
  const cell = typeof error.cell === 'number' && kind !== 'cell' ? error.cell + 1 : null;
  const tail = error.log_tail ?? [];
  return (
    <section className="jp-aml-run-error" aria-label={trans.__('Error')}>
      <p>
        {error.class && <strong>{visible(error.class)}: </strong>}
        <span>{visible(error.message || error.reason || trans.__('The run failed.'))}</span>
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

/** The sentence the static cards have too (`why_canceled` in jupyter_aml/cards/facts.py). */
function whyCanceled(error: IRunError | null, trans: TranslationBundle): string {
  const said = visible(error?.message ?? '').trim();
  if (said === '' || said.toLowerCase() === 'canceled') {
    return trans.__('Canceled on request.');
  }
  return said.charAt(0).toUpperCase() + said.slice(1) + (/[.!?]$/.test(said) ? '' : '.');
}
