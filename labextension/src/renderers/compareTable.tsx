import type { ReactElement } from 'react';

import type { IRun } from '../api/types';
import { visible } from '../text/ansi';
import { formatMetric } from '../text/format';
import { useAml } from '../ui/context';
import { seriesColor } from '../ui/plot';
import { namesIn, own } from './columns';
import { MAX_LINES } from './comparedMetric';
import { RunCell } from './runGrid';

/** A column a run: its parameters, those that differ standing out, and its latest metrics. */
export function CompareTable(props: { runs: IRun[]; live: boolean }): ReactElement {
  const { trans } = useAml();
  const { runs, live } = props;
  const params = namesIn(runs, run => run.params);
  const metrics = namesIn(runs, run => run.metrics);
  return (
    <div className="jp-aml-scroll">
      <table className="jp-aml-table">
        <thead>
          <tr>
            <td />
            {runs.map((run, index) => (
              <th scope="col" key={`${run.id}/${index}`}>
                <span
                  className="jp-aml-swatch"
                  style={{ background: index < MAX_LINES ? seriesColor(index) : undefined }}
                />
                <RunCell run={run} live={live} />
              </th>
            ))}
          </tr>
        </thead>
        <Rows
          title={trans.__('Parameters')}
          names={params}
          marked
          values={name => runs.map(run => own(run.params, name) ?? '–')}
        />
        <Rows
          title={trans.__('Metrics')}
          names={metrics}
          values={name => runs.map(run => formatMetric(own(run.metrics, name)))}
        />
      </table>
    </div>
  );
}

function Rows(props: {
  title: string;
  names: string[];
  /** Whether rows whose values differ stand out; metrics nearly always do. */
  marked?: boolean;
  values: (name: string) => string[];
}): ReactElement | null {
  const { title, names, marked, values } = props;
  if (names.length === 0) {
    return null;
  }
  return (
    <tbody>
      <tr className="jp-aml-table-group">
        <th scope="rowgroup">{title}</th>
      </tr>
      {names.map(name => {
        const cells = values(name);
        return (
          <tr key={name} data-differs={marked && new Set(cells).size > 1}>
            <th scope="row">
              <bdi>{visible(name)}</bdi>
            </th>
            {cells.map((cell, index) => (
              <td key={index}>
                <bdi>{visible(cell)}</bdi>
              </td>
            ))}
          </tr>
        );
      })}
    </tbody>
  );
}
