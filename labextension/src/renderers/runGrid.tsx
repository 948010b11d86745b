import { useMemo, useState, type ReactElement } from 'react';

import type { IRun } from '../api/types';
import { visible } from '../text/ansi';
import { useAml } from '../ui/context';
import { Note } from '../ui/messages';
import { Name } from '../ui/name';
import { StatusDot } from '../ui/status';
import { columnsFor, sortRuns, type IColumn } from './columns';

interface ISorting {
  key: string;
  descending: boolean;
}

/** Runs with their parameters and metrics; a column's head sorts by it. */
export function RunGrid({ runs, live }: { runs: IRun[]; live: boolean }): ReactElement {
  const { trans } = useAml();
  const [sorting, setSorting] = useState<ISorting | null>(null);
  const columns = useMemo(() => columnsFor(runs, trans), [runs, trans]);
  const column = columns.find(candidate => candidate.key === sorting?.key);
  const shown = column ? sortRuns(runs, column, sorting?.descending ?? false) : runs;
  if (runs.length === 0) {
    return <Note>{trans.__('No runs.')}</Note>;
  }
  return (
    <div className="jp-aml-scroll">
      <table className="jp-aml-table jp-aml-run-table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Run')}</th>
            {columns.map(item => (
              <ColumnHead
                key={item.key}
                column={item}
                sorting={sorting?.key === item.key ? sorting : null}
                onSort={setSorting}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((run, index) => (
            <tr key={`${run.id}/${index}`}>
              <th scope="row">
                <RunCell run={run} live={live} />
              </th>
              {columns.map(item => (
                <td key={item.key} data-group={item.group}>
                  <bdi>{visible(item.text(run))}</bdi>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ColumnHead(props: {
  column: IColumn;
  sorting: ISorting | null;
  onSort: (sorting: ISorting) => void;
}): ReactElement {
  const { column, sorting, onSort } = props;
  const order = sorting === null ? 'none' : sorting.descending ? 'descending' : 'ascending';
  const next = { key: column.key, descending: sorting !== null && !sorting.descending };
  return (
    <th scope="col" aria-sort={order} data-group={column.group}>
      <button type="button" className="jp-aml-sort" onClick={() => onSort(next)}>
        <bdi>{visible(column.label)}</bdi>
      </button>
    </th>
  );
}

/** A run's state and name; the name opens it where the run is here. */
export function RunCell({ run, live }: { run: IRun; live: boolean }): ReactElement {
  const { openRun } = useAml();
  const name = <Name text={run.display_name || run.id} />;
  return (
    <span className="jp-aml-run-cell">
      <StatusDot status={run.status} />
      {live ? (
        <button type="button" className="jp-aml-link" onClick={() => openRun(run.id)}>
          {name}
        </button>
      ) : (
        name
      )}
    </span>
  );
}
