import { useCallback, useMemo, type ReactElement } from 'react';

import type { IRun } from '../api/types';
import { useLoaded } from '../live/hooks';
import { useAml } from '../ui/context';
import { ErrorMessage } from '../ui/messages';
import { MetricChart } from '../ui/metricChart';
import { useOnScreen } from '../ui/onScreen';
import type { ISeries } from '../ui/plot';
import { own } from './columns';
import type { ICompared, IPoints } from './data';

const POINTS = 400;
/** Lines in one chart that can still be told apart. */
export const MAX_LINES = 12;

/** One metric of several runs in one chart. */
export function ComparedMetric(props: {
  name: string;
  compared: ICompared[];
  labels: string[];
  live: boolean;
}): ReactElement | null {
  const { client } = useAml();
  const { name, compared, labels, live } = props;
  const [ref, seen] = useOnScreen<HTMLDivElement>();
  const having = compared.slice(0, MAX_LINES).filter(item => Object.hasOwn(item.run.metrics, name));
  const key = having.map(item => `${item.run.id}=${own(item.run.metrics, name)}`).join(' ');
  const load = useCallback(
    () =>
      Promise.all(
        having.map(async ({ run }): Promise<[string, IPoints]> => {
          const { steps, values } = await client.history(run.id, name, POINTS);
          return [run.id, { steps: steps.map((step, index) => step ?? index), values }];
        })
      ),
    // The key names the runs and their latest values.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, name, key]
  );
  const { value, error } = useLoaded(live && seen ? load : null);
  const series = useMemo<ISeries[]>(() => {
    const fetched = new Map(value ?? []);
    return compared.slice(0, MAX_LINES).flatMap((item, index) => {
      const points = fetched.get(item.run.id) ?? own(item.history, name);
      return points ? [{ label: labels[index] ?? '', ...points }] : [];
    });
  }, [compared, labels, name, value]);
  return (
    <div ref={ref} className="jp-aml-compared">
      {error && <ErrorMessage error={error} />}
      <MetricChart name={name} series={series} />
    </div>
  );
}

/** A name for each run, with the end of its id where two share one. */
export function runLabels(runs: readonly IRun[]): string[] {
  return runs.map(run => {
    const isShared = runs.filter(other => other.display_name === run.display_name).length > 1;
    return isShared ? `${run.display_name} ${run.id.slice(-4)}` : run.display_name;
  });
}
