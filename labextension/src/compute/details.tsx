import { useCallback, type ReactElement } from 'react';

import { record, string } from '../api/decode';
import type { ICompute } from '../api/types';
import { useNow } from '../live/hooks';
import { visible } from '../text/ansi';
import { formatDuration, formatTime } from '../text/format';
import { useAml } from '../ui/context';
import { FactTable, factsOf, type IFact } from '../ui/factTable';
import { ErrorMessage } from '../ui/messages';
import type { ComputeList } from './computeList';
import { NodeTable } from './nodeTable';
import { QuotaTable } from './quotas';
import { RunsOn } from './runLinks';
import { stateLabel } from './states';
import { UsageSection } from './usage';
import { useReread } from './useReread';
import { costWords, idleWords, nodeStateWords, nodeWords, priceWords, sizeWords } from './words';

/** Everything about one compute. */
export function Details(props: { list: ComputeList; compute: ICompute }): ReactElement {
  const { trans, client } = useAml();
  const { list, compute } = props;
  const quotas = useReread(
    useCallback(() => client.computes.quotas(), [client]),
    list.round
  );
  const notes = (compute.details ?? []).map(visible);
  return (
    <div className="jp-aml-overview">
      <Failure compute={compute} />
      <div className="jp-aml-columns">
        <FactTable title={trans.__('Compute')} facts={useFacts(list, compute)} />
        <section className="jp-aml-facts">
          <h3>{trans.__('On it')}</h3>
          <RunsOn compute={compute} all />
        </section>
        {notes.length > 0 && (
          <section className="jp-aml-facts">
            <h3>{compute.kind === 'ssh' ? trans.__('The machine') : trans.__('Details')}</h3>
            {notes.map(line => (
              <p key={line}>{line}</p>
            ))}
          </section>
        )}
        <FactTable title={trans.__('Next scheduled')} facts={useScheduled(compute)} />
        <FactTable title={trans.__('Tags')} facts={factsOf(compute.tags)} />
        {compute.kind !== 'ssh' && quotas.value && quotas.value.length > 0 && (
          <QuotaTable quotas={quotas.value} family={compute.size?.family} />
        )}
      </div>
      {quotas.error && <ErrorMessage error={quotas.error} />}
      {compute.kind === 'cluster' && (
        <NodeTable name={compute.name} round={compute.state === 'Deleting' ? null : list.round} />
      )}
      {compute.kind !== 'ssh' && (
        <UsageSection name={compute.name} cost={list.costs.get(compute.name) ?? 0} />
      )}
    </div>
  );
}

function Failure({ compute }: { compute: ICompute }): ReactElement | null {
  const { trans } = useAml();
  const error = record(compute.error);
  const detail = string(error?.detail);
  return (
    error && (
      <section className="jp-aml-run-error" aria-label={trans.__('Error')}>
        <p>{visible(string(error.message) ?? '')}</p>
        {detail && <pre className="jp-aml-text">{visible(detail)}</pre>}
      </section>
    )
  );
}

function useFacts(list: ComputeList, compute: ICompute): IFact[] {
  const { trans } = useAml();
  const { size } = compute;
  const facts: (IFact | null)[] = [
    { name: trans.__('State'), value: <Since compute={compute} /> },
    compute.description ? { name: trans.__('Description'), value: compute.description } : null,
    size && { name: trans.__('Size'), value: sizeWords(size, trans) },
    size && size.name !== 'custom' ? { name: trans.__('Size name'), value: size.name } : null,
    size && { name: trans.__('Price'), value: priceOf(compute, trans) },
    compute.kind === 'cluster' ? { name: trans.__('Nodes'), value: nodesOf(compute, trans) } : null,
    compute.priority
      ? {
          name: trans.__('Priority'),
          value:
            compute.priority === 'low_priority' ? trans.__('low priority') : trans.__('dedicated')
        }
      : null,
    compute.kind === 'ssh'
      ? null
      : { name: trans.__('When idle'), value: idleWords(compute, trans) },
    isOn(compute) && compute.last_used_at
      ? { name: trans.__('Last used'), value: <Ago since={compute.last_used_at} /> }
      : null,
    compute.stops_at ? { name: trans.__('Stops at'), value: formatTime(compute.stops_at) } : null,
    compute.environments?.length
      ? { name: trans.__('Environments'), value: compute.environments.join(', ') }
      : null,
    compute.user ? { name: trans.__('User'), value: compute.user } : null,
    { name: trans.__('Created'), value: formatTime(compute.created_at) }
  ];
  const cost = list.costs.get(compute.name);
  return [
    ...facts.filter(fact => fact !== null),
    ...(cost === undefined ? [] : [{ name: trans.__('Cost so far'), value: costWords(cost) }])
  ];
}

type Translation = ReturnType<typeof useAml>['trans'];

function priceOf({ size, kind, priority }: ICompute, trans: Translation): string {
  if (size === null) {
    return '';
  }
  const price = priority === 'low_priority' ? size.price / 5 : size.price;
  const words = priceWords({ ...size, price }, trans);
  return kind === 'cluster' ? trans.__('%1 and node', words) : words;
}

function nodesOf(compute: ICompute, trans: Translation): string {
  return [nodeWords(compute, trans), nodeStateWords(compute, trans)].filter(Boolean).join(': ');
}

function useScheduled(compute: ICompute): IFact[] {
  const { trans } = useAml();
  return (compute.next_actions ?? []).map(({ action, at }, index) => ({
    name: typeof at === 'number' ? formatTime(at) : String(index),
    value: action === 'start' ? trans.__('start') : trans.__('stop')
  }));
}

function isOn(compute: ICompute): boolean {
  return compute.state === 'Running' || compute.state === 'JobRunning';
}

function Since({ compute }: { compute: ICompute }): ReactElement {
  const { trans } = useAml();
  const now = useNow(true);
  const since = formatDuration(Math.max(0, now - compute.state_since));
  const state = stateLabel(compute.allocation_state ?? compute.state, trans);
  return <>{compute.allocation_state ? state : trans.__('%1 for %2', state, since)}</>;
}

function Ago({ since }: { since: number }): ReactElement {
  const { trans } = useAml();
  const now = useNow(true);
  return <>{trans.__('%1 ago', formatDuration(Math.max(0, now - since)))}</>;
}
