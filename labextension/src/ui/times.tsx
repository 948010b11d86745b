import type { ReactElement } from 'react';

import { durationOf, isFinal } from '../api/status';
import type { IRun } from '../api/types';
import { useNow } from '../live/hooks';
import { formatDuration } from '../text/format';

/** How long the run took or has been going, counting while it goes. */
export function Duration({ run }: { run: IRun }): ReactElement | null {
  const now = useNow(run.started_at !== null && !isFinal(run.status));
  const duration = durationOf(run, now);
  return duration === null ? null : (
    <span className="jp-aml-duration">{formatDuration(duration)}</span>
  );
}
