import type { ReactElement } from 'react';

import type { ICompute } from '../api/types';
import { useRun } from '../live/hooks';
import { useAml } from '../ui/context';
import { Name } from '../ui/name';
import { StatusDot } from '../ui/status';

/** Runs shown of those on a compute, where there is little room. */
const FEW = 3;

/** The runs on a compute, each leading to its page, and how many wait for it. */
export function RunsOn(props: { compute: ICompute; all?: boolean }): ReactElement {
  const { trans } = useAml();
  const { compute, all } = props;
  const active = compute.active_runs ?? [];
  const queued = compute.queued_runs ?? 0;
  const shown = all ? active : active.slice(0, FEW);
  const more = active.length - shown.length;
  return (
    <div className="jp-aml-runs-on">
      {shown.map(id => (
        <RunLink key={id} runId={id} />
      ))}
      {more > 0 && <span className="jp-aml-quiet">{trans._n('%1 more', '%1 more', more)}</span>}
      {queued > 0 && (
        <span className="jp-aml-quiet">{trans._n('%1 queued', '%1 queued', queued)}</span>
      )}
      {active.length + queued === 0 && <span className="jp-aml-quiet">–</span>}
    </div>
  );
}

/** A run by its name, which comes a moment after its id. */
export function RunLink({ runId }: { runId: string }): ReactElement {
  const { openRun } = useAml();
  const { run } = useRun(runId);
  return (
    <button type="button" className="jp-aml-link jp-aml-run-link" onClick={() => openRun(runId)}>
      {run && <StatusDot status={run.status} />}
      <Name text={run?.display_name || runId.slice(0, 8)} />
    </button>
  );
}
