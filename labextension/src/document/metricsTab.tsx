import { useCallback, useMemo, type ReactElement } from 'react';

import type { IMetric, IMetricHistory, IRun } from '../api/types';
import { useLoaded, useRevision } from '../live/hooks';
import { formatMetric } from '../text/format';
import { useAml } from '../ui/context';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { MetricChart } from '../ui/metricChart';
import { Name } from '../ui/name';
import { useOnScreen } from '../ui/onScreen';
import { LoggedObject } from './loggedObject';

/** Points asked for a chart: about two a pixel of a wide one. */
const MAX_POINTS = 1000;

/** One chart a metric, and what else was logged (lists, tables, images, matrices) in a readable form. */
export function MetricsTab({ run }: { run: IRun }): ReactElement {
  const { client, trans } = useAml();
  const revision = useRevision(run);
  const load = useCallback(
    () => client.metrics(run.id),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, run.id, revision]
  );
  const { value: metrics, error } = useLoaded(load);
  if (metrics === null) {
    return error ? <ErrorMessage error={error} /> : <Loading />;
  }
  const scalars = metrics.filter(metric => metric.kind === 'scalar');
  // A single value beside charts would leave a hole as high as they are.
  const singles = scalars.filter(metric => metric.count <= 1);
  const courses = scalars.filter(metric => metric.count > 1);
  const objects = metrics.filter(metric => metric.kind !== 'scalar');
  return (
    <>
      {error && <ErrorMessage error={error} />}
      {metrics.length === 0 && <Note>{trans.__('No metric was logged yet.')}</Note>}
      {singles.length > 0 && (
        <dl className="jp-aml-values">
          {singles.map(metric => (
            <div key={metric.name} className="jp-aml-value">
              <dt>
                <Name text={metric.name} />
              </dt>
              <dd>{formatMetric(metric.last)}</dd>
            </div>
          ))}
        </dl>
      )}
      <div className="jp-aml-charts">
        {courses.map(metric => (
          <MetricCourse key={metric.name} run={run} metric={metric} />
        ))}
      </div>
      {objects.map(metric => (
        <LoggedObject key={metric.name} runId={run.id} metric={metric} />
      ))}
    </>
  );
}

function MetricCourse({ run, metric }: { run: IRun; metric: IMetric }): ReactElement {
  const { client } = useAml();
  const [ref, seen] = useOnScreen<HTMLDivElement>();
  const load = useCallback(
    () => client.history(run.id, metric.name, MAX_POINTS),
    // Asked again when points were added.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, run.id, metric.name, metric.count, metric.last_time]
  );
  const { value, error } = useLoaded(seen ? load : null);
  return (
    <div ref={ref}>
      {error && <ErrorMessage error={error} />}
      <History metric={metric} history={value} />
    </div>
  );
}

function History(props: { metric: IMetric; history: IMetricHistory | null }): ReactElement {
  const { trans } = useAml();
  const { metric, history } = props;
  const series = useMemo(
    () => [
      {
        label: metric.name,
        steps: (history?.steps ?? []).map((step, index) => step ?? index),
        values: history?.values ?? []
      }
    ],
    [metric.name, history]
  );
  const summary = trans.__(
    'last %1 · min %2 · max %3',
    formatMetric(metric.last),
    formatMetric(metric.min),
    formatMetric(metric.max)
  );
  const note = history?.thinned
    ? `${summary} · ${trans.__('%1 of %2 points', history.values.length, history.total)}`
    : summary;
  return <MetricChart name={metric.name} series={series} note={note} />;
}
