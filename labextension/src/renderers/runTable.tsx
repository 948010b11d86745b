import { useMemo, type ReactElement } from 'react';

import { useAml } from '../ui/context';
import { Loading, Note } from '../ui/messages';
import { useOnScreen } from '../ui/onScreen';
import { readRunsData } from './data';
import { staticNote, useOrigin } from './origin';
import { RunGrid } from './runGrid';
import { useRuns } from './useRuns';

/** Runs as a table under a cell. */
export function RunTable({ data }: { data: unknown }): ReactElement {
  const { trans } = useAml();
  const { runIds, workspaceId, snapshot } = useMemo(() => readRunsData(data), [data]);
  const [ref, seen] = useOnScreen<HTMLDivElement>();
  const origin = useOrigin(workspaceId);
  const { runs, error } = useRuns(runIds, origin === 'here' && seen);
  const live = runs !== null && (runs.length > 0 || snapshot.length === 0) ? runs : null;
  const note = staticNote(origin, error, trans);
  const lost = live === null ? 0 : runIds.length - live.length;
  return (
    <div ref={ref} className="jp-aml-card">
      {live === null && snapshot.length === 0 && note === null && runIds.length > 0 ? (
        <Loading />
      ) : (
        <RunGrid runs={live ?? snapshot} live={live !== null} />
      )}
      {live === null && note !== null && <Note>{note}</Note>}
      {lost > 0 && (
        <Note>
          {trans._n(
            '%1 run is no longer in this workspace.',
            '%1 runs are no longer in this workspace.',
            lost
          )}
        </Note>
      )}
    </div>
  );
}
