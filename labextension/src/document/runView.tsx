import { useState, type ReactElement } from 'react';

import type { IRun } from '../api/types';
import { useRun } from '../live/hooks';
import { visible } from '../text/ansi';
import { useAml } from '../ui/context';
import { ErrorMessage, Loading } from '../ui/messages';
import { Name } from '../ui/name';
import { CellProgress } from '../ui/progress';
import { RunButtons, useRunActions } from '../ui/runActions';
import { StatusPill } from '../ui/status';
import { Duration } from '../ui/times';
import { CopyButton } from './copyButton';
import { FilesTab } from './filesTab';
import { LogsTab } from './logsTab';
import { MetricsTab } from './metricsTab';
import { Overview } from './overview';
import { Tabs, type ITab } from './tabs';

type TabId = 'overview' | 'metrics' | 'logs' | 'outputs' | 'snapshot';

/** Everything about one run, kept current while it lives. */
export function RunView({ runId }: { runId: string }): ReactElement {
  const { feed } = useAml();
  const { run, error } = useRun(runId);
  if (run === null) {
    return error === null ? (
      <Loading />
    ) : (
      <ErrorMessage error={error} onRetry={() => void retry()} />
    );
  }
  return (
    <div className="jp-aml-document">
      <Header run={run} />
      {error && <ErrorMessage error={error} />}
      <Panels run={run} />
    </div>
  );

  async function retry(): Promise<void> {
    const handle = feed.watch(runId);
    await handle.watched.refresh();
    handle.dispose();
  }
}

function Header({ run }: { run: IRun }): ReactElement {
  const { trans } = useAml();
  const actions = useRunActions(run);
  return (
    <header className="jp-aml-header">
      <div className="jp-aml-header-line">
        <h2>
          <Name text={run.display_name || run.id} />
        </h2>
        <StatusPill status={run.status} />
        <Duration run={run} />
        <span className="jp-aml-spacer" />
        <span className="jp-aml-actions">
          <RunButtons run={run} actions={actions} />
          <CopyButton text={run.id} label={trans.__('Copy id')} />
        </span>
      </div>
      <div className="jp-aml-header-line jp-aml-quiet">
        <span>
          {trans.__('Experiment')} <bdi>{visible(run.experiment)}</bdi>
        </span>
        <code>{visible(run.id)}</code>
      </div>
      {run.progress && <CellProgress progress={run.progress} status={run.status} withLabel />}
      {actions.error && <ErrorMessage error={actions.error} />}
    </header>
  );
}

function Panels({ run }: { run: IRun }): ReactElement {
  const { trans } = useAml();
  const [current, setCurrent] = useState<TabId>('overview');
  const tabs: ITab<TabId>[] = [
    { id: 'overview', label: trans.__('Overview') },
    { id: 'metrics', label: trans.__('Metrics') },
    { id: 'logs', label: trans.__('Logs') },
    { id: 'outputs', label: trans.__('Outputs') },
    { id: 'snapshot', label: trans.__('Snapshot') }
  ];
  return (
    <Tabs label={trans.__('Run')} tabs={tabs} current={current} onChange={setCurrent}>
      <Panel run={run} tab={current} />
    </Tabs>
  );
}

function Panel({ run, tab }: { run: IRun; tab: TabId }): ReactElement {
  switch (tab) {
    case 'overview':
      return <Overview run={run} />;
    case 'metrics':
      return <MetricsTab run={run} />;
    case 'logs':
      return <LogsTab run={run} />;
    case 'outputs':
      return <FilesTab key="artifacts" run={run} kind="artifacts" />;
    case 'snapshot':
      return <FilesTab key="snapshot" run={run} kind="snapshot" />;
  }
}
