import { useState, type ReactElement } from 'react';

import { asApiError, type ApiError } from '../api/errors';
import { canCancel, canRerun } from '../api/status';
import type { IRun } from '../api/types';
import { useMay } from './access';
import { useAml, type IAmlContext } from './context';
import { rerunWithDialog } from './rerunDialog';

export interface IRunActions {
  busy: boolean;
  error: ApiError | null;
  cancel: () => void;
  rerun: () => void;
}

/** Ask the server to stop the run, and show its new state everywhere on the page. */
export async function cancelRun(context: IAmlContext, runId: string): Promise<void> {
  context.feed.announce(await context.client.cancel(runId));
}

/** Cancel and rerun, one at a time, with what went wrong. */
export function useRunActions(run: IRun): IRunActions {
  const context = useAml();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const act = (action: () => Promise<void>) => () => {
    setBusy(true);
    setError(null);
    action()
      .catch((thrown: unknown) => setError(asApiError(thrown)))
      .finally(() => setBusy(false));
  };
  return {
    busy,
    error,
    cancel: act(() => cancelRun(context, run.id)),
    rerun: act(() => rerunWithDialog(context, run))
  };
}

/** The buttons that fit the run's state. */
export function RunButtons(props: { run: IRun; actions: IRunActions }): ReactElement {
  const { trans } = useAml();
  const { run, actions } = props;
  const mayCancel = useMay('cancel');
  const mayRerun = useMay('rerun');
  return (
    <>
      {mayCancel && canCancel(run) && (
        <button
          type="button"
          className="jp-aml-button"
          disabled={actions.busy}
          onClick={actions.cancel}
        >
          {trans.__('Cancel')}
        </button>
      )}
      {mayRerun && canRerun(run) && (
        <button
          type="button"
          className="jp-aml-button"
          disabled={actions.busy}
          onClick={actions.rerun}
        >
          {trans.__('Rerun')}
        </button>
      )}
    </>
  );
}
