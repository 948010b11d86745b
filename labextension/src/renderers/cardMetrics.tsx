import { useCallback, type ReactElement } from 'react';

import type { IMetricHistory, IRun } from '../api/types';
import { useLoaded, useRevision } from '../live/hooks';
import { visible } from '../text/ansi';
import { formatMetric } from '../text/format';
import { useAml } from '../ui/context';
import { Note } from '../ui/messages';
import { Sparkline } from '../ui/sparkline';

/** Metrics on a card, and of these how many with a line. */
const MAX_METRICS = 12;
const MAX_LINES = 6;
const POINTS = 60;

/** The latest value of each metric, with its course where it has one. */
export function CardMetrics({ run, live }: { run: IRun; live: boolean }): ReactElement | null {
  const { client, trans } = useAml();
  const revision = useRevision(run);
  const load = useCallback(
    async () => {
      const metrics = await client.metrics(run.id);
      const series = metrics.filter(metric => metric.kind === 'scalar' && metric.count > 1);
      const names = series.slice(0, MAX_LINES).map(metric => metric.name);
      return Promise.all(names.map(name => client.history(run.id, name, POINTS)));
    },
    // Asked again when something was logged.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, run.id, revision]
  );
  const entries = Object.entries(run.metrics);
  const { value } = useLoaded(live && entries.length > 0 ? load : null);
  if (entries.length === 0) {
    return null;
  }
  return (
    <div className="jp-aml-card-metrics">
      {entries.slice(0, MAX_METRICS).map(([name, last]) => (
        <span key={name} className="jp-aml-metric">
          <bdi title={visible(name)}>{visible(name)}</bdi>
          <CourseOf name={name} histories={value ?? []} />
          <strong>{formatMetric(last)}</strong>
        </span>
      ))}
      {entries.length > MAX_METRICS && (
        <Note>{trans.__('and %1 more', entries.length - MAX_METRICS)}</Note>
      )}
    </div>
  );
}

function CourseOf(props: { name: string; histories: IMetricHistory[] }): ReactElement | null {
  const history = props.histories.find(item => item.name === props.name);
  return history === undefined ? null : <Sparkline values={history.values} />;
}
