import { useMemo, type ReactElement } from 'react';

import { visible } from '../text/ansi';
import { finite, formatMetric } from '../text/format';
import { useAml } from './context';
import { CAN_DRAW, Plot, type ISeries } from './plot';

/** Rows shown of the table behind a chart. */
const ROWS = 200;

/** A metric over steps: drawn, with the same numbers as a table on demand. */
export function MetricChart(props: {
  name: string;
  series: ISeries[];
  note?: string;
}): ReactElement {
  const { trans } = useAml();
  const { name, series, note } = props;
  const shown = useMemo(
    () => series.map(line => ({ ...line, label: visible(line.label) })),
    [series]
  );
  const count = series.reduce((sum, line) => sum + line.values.length, 0);
  const skipped = series.flatMap(line => line.values).filter(value => finite(value) === null);
  return (
    <figure className="jp-aml-chart">
      <figcaption>
        <bdi className="jp-aml-chart-name" title={visible(name)}>
          {visible(name)}
        </bdi>
        {note && <span className="jp-aml-note">{note}</span>}
      </figcaption>
      <Plot series={shown} label={trans.__('Chart of %1, %2 points', visible(name), count)} />
      {skipped.length > 0 && (
        <p className="jp-aml-note">
          {trans._n(
            '%1 point is not a finite number and is not drawn.',
            '%1 points are not finite numbers and are not drawn.',
            skipped.length
          )}
        </p>
      )}
      <details open={!CAN_DRAW}>
        <summary>{trans.__('Values')}</summary>
        <PointTable series={shown} />
      </details>
    </figure>
  );
}

function PointTable({ series }: { series: ISeries[] }): ReactElement {
  const { trans } = useAml();
  const rows = useMemo(() => tableRows(series), [series]);
  return (
    <div className="jp-aml-scroll">
      <table className="jp-aml-table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Step')}</th>
            {series.map((line, index) => (
              <th scope="col" key={index}>
                <bdi>{line.label}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, ROWS).map(([step, cells]) => (
            <tr key={step}>
              <th scope="row">{step}</th>
              {cells.map((cell, index) => (
                <td key={index}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS && (
        <p className="jp-aml-note">{trans.__('The first %1 of %2 rows', ROWS, rows.length)}</p>
      )}
    </div>
  );
}

function tableRows(series: ISeries[]): [number, string[]][] {
  const rows = new Map<number, string[]>();
  series.forEach((line, column) => {
    line.steps.forEach((step, index) => {
      const cells = rows.get(step) ?? series.map(() => '');
      cells[column] = formatMetric(line.values[index]);
      rows.set(step, cells);
    });
  });
  return [...rows].sort((a, b) => a[0] - b[0]);
}
