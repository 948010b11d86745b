import type { ReactElement } from 'react';

import type { IRun } from '../api/types';
import { formatMetric, formatTime } from '../text/format';
import { useAml } from '../ui/context';
import { ErrorPanel } from '../ui/errorPanel';
import { FactTable, factsOf, type IFact } from '../ui/factTable';
import { environmentOf } from '../ui/place';
import { statusLabel } from '../ui/status';
import { Duration } from '../ui/times';
import { CellList } from './cellList';
import { sourceFacts } from './source';

/** State, times, parameters, tags, latest metrics, cells and origin of a run. */
export function Overview({ run }: { run: IRun }): ReactElement {
  const { trans } = useAml();
  const metrics: IFact[] = Object.entries(run.metrics).map(([name, value]) => ({
    name,
    value: <span className="jp-aml-number">{formatMetric(value)}</span>
  }));
  return (
    <div className="jp-aml-overview">
      <ErrorPanel run={run} open />
      <div className="jp-aml-columns">
        <FactTable title={trans.__('Run')} facts={useRunFacts(run)} />
        <FactTable
          title={trans.__('Metrics')}
          facts={metrics}
          empty={trans.__('No metric was logged yet.')}
        />
        <FactTable
          title={trans.__('Parameters')}
          facts={factsOf(run.params)}
          empty={trans.__('No parameters.')}
        />
        <FactTable
          title={trans.__('Tags')}
          facts={factsOf(run.tags)}
          empty={trans.__('No tags.')}
        />
        <FactTable title={trans.__('Source')} facts={sourceFacts(run.source, trans)} />
      </div>
      <CellList run={run} />
    </div>
  );
}

function useRunFacts(run: IRun): IFact[] {
  const { trans, openRun } = useAml();
  const { parent_id: parent } = run;
  const environment = environmentOf(run);
  const facts: (IFact | null)[] = [
    { name: trans.__('Status'), value: statusLabel(run.status, trans) },
    run.description ? { name: trans.__('Description'), value: run.description } : null,
    { name: trans.__('Kind'), value: run.kind },
    run.compute ? { name: trans.__('Compute'), value: run.compute } : null,
    environment ? { name: trans.__('Environment'), value: environment } : null,
    run.user ? { name: trans.__('User'), value: run.user } : null,
    { name: trans.__('Created'), value: formatTime(run.created_at) },
    { name: trans.__('Started'), value: formatTime(run.started_at) },
    { name: trans.__('Ended'), value: formatTime(run.ended_at) },
    run.started_at ? { name: trans.__('Duration'), value: <Duration run={run} /> } : null,
    run.attempt > 1 ? { name: trans.__('Attempt'), value: String(run.attempt) } : null,
    parent
      ? {
          name: trans.__('Parent'),
          value: (
            <button type="button" className="jp-aml-link" onClick={() => openRun(parent)}>
              {parent}
            </button>
          )
        }
      : null
  ];
  return facts.filter(fact => fact !== null);
}
