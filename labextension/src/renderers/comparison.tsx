import { useMemo, type ReactElement } from 'react';

import { useAml } from '../ui/context';
import { Loading, Note } from '../ui/messages';
import { useOnScreen } from '../ui/onScreen';
import { namesIn } from './columns';
import { ComparedMetric, runLabels } from './comparedMetric';
import { CompareTable } from './compareTable';
import { readCompareData, type ICompared } from './data';
import { staticNote, useOrigin } from './origin';
import { useRuns } from './useRuns';

/** Runs against each other: one chart a metric with a line a run, and how their parameters differ. */
export function Comparison({ data }: { data: unknown }): ReactElement {
  const { trans } = useAml();
  const { runIds, workspaceId, snapshot } = useMemo(() => readCompareData(data), [data]);
  const [ref, seen] = useOnScreen<HTMLDivElement>();
  const origin = useOrigin(workspaceId);
  const { runs, error } = useRuns(runIds, origin === 'here' && seen);
  const isLive = runs !== null && (runs.length > 0 || snapshot.length === 0);
  const note = staticNote(origin, error, trans);
  const compared: ICompared[] = useMemo(
    () => (isLive ? runs.map(run => ({ run, history: {} })) : snapshot),
    [isLive, runs, snapshot]
  );
  const waiting = !isLive && snapshot.length === 0 && note === null && runIds.length > 0;
  return (
    <div ref={ref} className="jp-aml-card">
      {waiting ? <Loading /> : <Compared compared={compared} live={isLive} />}
      {!isLive && note !== null && <Note>{note}</Note>}
    </div>
  );
}

function Compared({ compared, live }: { compared: ICompared[]; live: boolean }): ReactElement {
  const runs = useMemo(() => compared.map(item => item.run), [compared]);
  const names = namesIn(runs, run => run.metrics);
  const labels = runLabels(runs);
  return (
    <>
      <CompareTable runs={runs} live={live} />
      <div className="jp-aml-charts">
        {names.map(name => (
          <ComparedMetric key={name} name={name} compared={compared} labels={labels} live={live} />
        ))}
      </div>
    </>
  );
}
