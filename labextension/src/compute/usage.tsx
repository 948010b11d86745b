import { useCallback, useMemo, type ReactElement } from 'react';

import type { IUsage, IUsageDay } from '../api/types';
import { useLoaded } from '../live/hooks';
import { formatDuration } from '../text/format';
import { useAml } from '../ui/context';
import { ErrorMessage, Note } from '../ui/messages';
import { Plot, type ISeries } from '../ui/plot';
import { costWords } from './words';

const DAYS = 30;
const DAY_MS = 86_400_000;

/** How long a compute was on and what that would have cost: by day as a chart, by month as a table. */
export function UsageSection({ name, cost }: { name: string; cost: number }): ReactElement {
  const { trans, client } = useAml();
  // The cost is read now and then by the list; when it has grown there is something new to show.
  const load = useCallback(
    async () => ({
      cost,
      months: await client.computes.usage(name),
      days: await client.computes.dailyUsage(name, DAYS)
    }),
    [client, name, cost]
  );
  const { value, error } = useLoaded(load);
  return (
    <section className="jp-aml-compute-section">
      <h3>{trans.__('Usage')}</h3>
      {error && <ErrorMessage error={error} />}
      {value?.months.length === 0 && (
        <Note>{trans.__('It has not been on yet, so it has cost nothing.')}</Note>
      )}
      {value && value.months.length > 0 && (
        <div className="jp-aml-usage">
          <figure className="jp-aml-chart">
            <figcaption>
              <span className="jp-aml-chart-name">{trans.__('Cost by day, in dollars')}</span>
              <span className="jp-aml-note">{trans.__('last %1 days, UTC', DAYS)}</span>
            </figcaption>
            <DayChart days={value.days} />
          </figure>
          <MonthTable months={value.months} />
        </div>
      )}
    </section>
  );
}

function DayChart({ days }: { days: IUsageDay[] }): ReactElement {
  const { trans } = useAml();
  const series = useMemo(() => [daySeries(days, Date.now(), trans.__('cost'))], [days, trans]);
  return <Plot series={series} label={trans.__('Cost of each of the last %1 days', DAYS)} days />;
}

/** A value for each of the last days, zero where nothing was on. */
export function daySeries(days: IUsageDay[], now: number, label: string): ISeries {
  const known = new Map(days.map(({ day, cost }) => [day, cost]));
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const times = Array.from({ length: DAYS }, (_, index) => today - (DAYS - 1 - index) * DAY_MS);
  return {
    label,
    steps: times.map(time => time / 1000),
    values: times.map(time => known.get(new Date(time).toISOString().slice(0, 10)) ?? 0)
  };
}

function MonthTable({ months }: { months: IUsage[] }): ReactElement {
  const { trans } = useAml();
  return (
    <div className="jp-aml-compute-scroll">
      <table className="jp-aml-compute-table" aria-label={trans.__('Usage by month')}>
        <thead>
          <tr>
            <th scope="col">{trans.__('Month')}</th>
            <th scope="col">{trans.__('Size')}</th>
            <th scope="col" data-number>
              {trans.__('On')}
            </th>
            <th scope="col" data-number>
              {trans.__('Cost')}
            </th>
          </tr>
        </thead>
        <tbody>
          {[...months].reverse().map(item => (
            <tr key={`${item.month}/${item.user}/${item.size}`}>
              <th scope="row">{item.month}</th>
              <td>{item.size}</td>
              <td data-number>{formatDuration(item.seconds * 1000)}</td>
              <td data-number>{costWords(item.cost)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
