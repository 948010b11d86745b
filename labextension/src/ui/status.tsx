import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { RunStatus } from '../api/types';
import { useAml } from './context';

/** A state's name in the reader's language. */
export function statusLabel(status: RunStatus, trans: TranslationBundle): string {
  switch (status) {
    case 'NotStarted':
      return trans.__('Not started');
    case 'Queued':
      return trans.__('Queued');
    case 'Preparing':
      return trans.__('Preparing');
    case 'Starting':
      return trans.__('Starting');
    case 'Running':
      return trans.__('Running');
    case 'Finalizing':
      return trans.__('Finalizing');
    case 'CancelRequested':
      return trans.__('Canceling');
    case 'Completed':
      return trans.__('Completed');
    case 'Failed':
      return trans.__('Failed');
    case 'Canceled':
      return trans.__('Canceled');
  }
}

/** A coloured dot; its shape differs by state too, for those who do not see the colours apart. */
export function StatusDot({ status }: { status: RunStatus }): ReactElement {
  const { trans } = useAml();
  const label = statusLabel(status, trans);
  return (
    <span className="jp-aml-dot" data-status={status} role="img" aria-label={label} title={label} />
  );
}

/** The dot with the state's name. */
export function StatusPill({ status }: { status: RunStatus }): ReactElement {
  const { trans } = useAml();
  return (
    <span className="jp-aml-pill" data-status={status}>
      <span className="jp-aml-dot" data-status={status} aria-hidden="true" />
      {statusLabel(status, trans)}
    </span>
  );
}
