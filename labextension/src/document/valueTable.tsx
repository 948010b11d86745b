import type { CSSProperties, ReactElement } from 'react';

import { visible } from '../text/ansi';
import { formatMetric } from '../text/format';
import { useAml } from '../ui/context';
import { Note } from '../ui/messages';
import { plain, type IValueTable } from './tables';

const MAX_ROWS = 200;
const MAX_COLUMNS = 50;

/** A logged table, shaded by value where it is a matrix. */
export function ValueTable({ table }: { table: IValueTable }): ReactElement {
  const { trans } = useAml();
  const columns = table.columns.slice(0, MAX_COLUMNS);
  const rows = table.rows.slice(0, MAX_ROWS);
  const peak = table.heat ? highest(table) : 0;
  const cut = rows.length < table.rows.length || columns.length < table.columns.length;
  return (
    <div className="jp-aml-scroll">
      <table className="jp-aml-table" data-heat={table.heat}>
        <thead>
          <tr>
            <th scope="col">{table.heat ? trans.__('true \\ predicted') : ''}</th>
            {columns.map((column, index) => (
              <th scope="col" key={index}>
                <bdi>{visible(column)}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              <th scope="row">
                <bdi>{visible(row.label)}</bdi>
              </th>
              {row.cells.slice(0, MAX_COLUMNS).map((cell, at) => (
                <td key={at} style={shade(cell, peak)}>
                  {typeof cell === 'number' ? formatMetric(cell) : visible(plain(cell))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {cut && <Note>{trans.__('Only the first rows and columns are shown.')}</Note>}
    </div>
  );
}

function highest(table: IValueTable): number {
  const numbers = table.rows.flatMap(row => row.cells.filter(cell => typeof cell === 'number'));
  return numbers.reduce((high, value) => Math.max(high, value), 0);
}

function shade(cell: unknown, peak: number): CSSProperties | undefined {
  if (peak <= 0 || typeof cell !== 'number') {
    return undefined;
  }
  const percent = Math.round((Math.max(0, cell) / peak) * 60);
  return {
    background: `color-mix(in srgb, var(--jp-brand-color1) ${percent}%, transparent)`
  };
}
