import { useCallback, type ReactElement } from 'react';

import type { INode } from '../api/types';
import { useNow } from '../live/hooks';
import { formatDuration } from '../text/format';
import { useAml } from '../ui/context';
import { ErrorMessage, Note } from '../ui/messages';
import { RunLink } from './runLinks';
import { NodePill } from './states';
import { useReread } from './useReread';

/** The nodes of a cluster, each with what it works on; read again with each `round`. */
export function NodeTable({ name, round }: { name: string; round: number | null }): ReactElement {
  const { trans, client } = useAml();
  const load = useCallback(() => client.computes.nodes(name), [client, name]);
  const { error, value } = useReread(load, round);
  return (
    <section className="jp-aml-compute-section">
      <h3>{trans.__('Nodes')}</h3>
      {error && <ErrorMessage error={error} />}
      {value?.length === 0 && (
        <Note>{trans.__('None now. Nodes come with the jobs and go when they are idle.')}</Note>
      )}
      {value && value.length > 0 && (
        <div className="jp-aml-compute-scroll">
          <table className="jp-aml-compute-table" aria-label={trans.__('Nodes')}>
            <thead>
              <tr>
                <th scope="col">{trans.__('Node')}</th>
                <th scope="col">{trans.__('State')}</th>
                <th scope="col">{trans.__('For')}</th>
                <th scope="col">{trans.__('Run')}</th>
              </tr>
            </thead>
            <tbody>
              {value.map(node => (
                <NodeRow key={node.node_id} node={node} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function NodeRow({ node }: { node: INode }): ReactElement {
  const now = useNow(true);
  return (
    <tr>
      <th scope="row">
        <code>{node.node_id}</code>
      </th>
      <td>
        <NodePill node={node} />
      </td>
      <td className="jp-aml-number">{formatDuration(Math.max(0, now - node.state_since))}</td>
      <td>{node.run_id ? <RunLink runId={node.run_id} /> : '–'}</td>
    </tr>
  );
}
