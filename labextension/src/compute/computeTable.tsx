import type { ReactElement, ReactNode } from 'react';

import type { ICompute } from '../api/types';
import { useAml } from '../ui/context';
import { Name } from '../ui/name';
import { ComputeButtons } from './actions';
import type { ComputeList } from './computeList';
import { RunsOn } from './runLinks';
import { ComputePill } from './states';
import { costWords, nodeStateWords, nodeWords, sizeWords } from './words';

interface IColumn {
  title: string;
  isNumber?: boolean;
  /** Left out where there is little room. */
  isMinor?: boolean;
  cell: (compute: ICompute) => ReactNode;
}

/** The computes of one kind, a line each. */
export function ComputeTable(props: {
  list: ComputeList;
  computes: ICompute[];
  onOpen: (name: string) => void;
}): ReactElement {
  const { trans } = useAml();
  const { list, computes, onOpen } = props;
  const columns = useColumns(list, computes[0]?.kind ?? 'instance');
  return (
    <div className="jp-aml-compute-scroll">
      <table className="jp-aml-compute-table jp-aml-compute-list">
        <thead>
          <tr>
            <th scope="col">{trans.__('Name')}</th>
            {columns.map(column => (
              <th
                scope="col"
                key={column.title}
                data-number={column.isNumber}
                data-minor={column.isMinor}
              >
                {column.title}
              </th>
            ))}
            <td />
          </tr>
        </thead>
        <tbody>
          {computes.map(compute => (
            <tr key={compute.name}>
              <th scope="row">
                <button type="button" className="jp-aml-link" onClick={() => onOpen(compute.name)}>
                  <Name text={compute.name} />
                </button>
                {compute.description && (
                  <Name text={compute.description} className="jp-aml-quiet jp-aml-block" />
                )}
              </th>
              {columns.map(column => (
                <td key={column.title} data-number={column.isNumber} data-minor={column.isMinor}>
                  {column.cell(compute)}
                </td>
              ))}
              <td>
                <ComputeButtons list={list} compute={compute} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function useColumns(list: ComputeList, kind: ICompute['kind']): IColumn[] {
  const { trans } = useAml();
  const nodes: IColumn = {
    title: trans.__('Nodes'),
    cell: compute => (
      <>
        {nodeWords(compute, trans)}
        <span className="jp-aml-quiet jp-aml-block">{nodeStateWords(compute, trans)}</span>
      </>
    )
  };
  const size: IColumn = {
    title: trans.__('Size'),
    isMinor: true,
    cell: compute => <SizeCell compute={compute} />
  };
  return [
    { title: trans.__('State'), cell: compute => <StateCell compute={compute} /> },
    ...(kind === 'cluster' ? [nodes] : []),
    ...(kind === 'ssh' ? [] : [size]),
    { title: trans.__('Runs'), cell: compute => <RunsOn compute={compute} /> },
    ...(kind === 'ssh'
      ? []
      : [
          {
            title: trans.__('Cost so far'),
            isNumber: true,
            isMinor: true,
            cell: (compute: ICompute) => costWords(list.costs.get(compute.name) ?? 0)
          }
        ])
  ];
}

function StateCell({ compute }: { compute: ICompute }): ReactElement {
  const { trans } = useAml();
  const { stops_at: stopsAt } = compute;
  return (
    <>
      <ComputePill compute={compute} />
      {stopsAt && (
        <span className="jp-aml-quiet jp-aml-block">
          {trans.__('stops at %1', new Date(stopsAt).toLocaleTimeString())}
        </span>
      )}
    </>
  );
}

function SizeCell({ compute }: { compute: ICompute }): ReactElement | null {
  const { trans } = useAml();
  const { size } = compute;
  if (size === null) {
    return null;
  }
  const name = size.name === 'custom' ? [] : [size.name];
  const priority = compute.priority === 'low_priority' ? [trans.__('low priority')] : [];
  return (
    <>
      {sizeWords(size, trans)}
      <span className="jp-aml-quiet jp-aml-block">{[...name, ...priority].join(', ')}</span>
    </>
  );
}
