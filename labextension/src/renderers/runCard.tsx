import { useEffect, useMemo, type ReactElement } from 'react';

import { isFinal } from '../api/status';
import type { IRun } from '../api/types';
import { useLogTail, useRun } from '../live/hooks';
import { AnsiText } from '../ui/ansiText';
import { useAml } from '../ui/context';
import { ErrorPanel } from '../ui/errorPanel';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { Name } from '../ui/name';
import { useOnScreen } from '../ui/onScreen';
import { Place } from '../ui/place';
import { CellProgress } from '../ui/progress';
import { RunButtons, useRunActions } from '../ui/runActions';
import { StatusPill } from '../ui/status';
import { Duration } from '../ui/times';
import { CardMetrics } from './cardMetrics';
import { readRunData } from './data';
import { staticNote, useOrigin } from './origin';

const TAIL_LINES = 8;
const TAIL_BYTES = 4096;
const MAIN_STREAM = 'user_logs/std_log.txt';

/** A run under a cell: live where its workspace is this one, as it was saved elsewhere. */
export function RunCard({ data }: { data: unknown }): ReactElement {
  const { trans } = useAml();
  const { runId, workspaceId, snapshot } = useMemo(() => readRunData(data), [data]);
  const [ref, seen] = useOnScreen<HTMLDivElement>();
  const origin = useOrigin(workspaceId);
  const isHere = origin === 'here' && runId !== null;
  const { run, error } = useRun(runId ?? '', isHere && seen);
  const note =
    runId === null ? trans.__('Not a run of jupyter_aml.') : staticNote(origin, error, trans);
  const shown = run ?? snapshot;
  return (
    <div ref={ref} className="jp-aml-card" role="group" aria-label={trans.__('Run card')}>
      {run !== null && <LiveCard run={run} seen={seen} />}
      {run === null && shown !== null && <StaticCard run={shown} />}
      {shown === null && note === null && <Loading />}
      {note !== null && run === null && <Note>{note}</Note>}
    </div>
  );
}

function LiveCard({ run, seen }: { run: IRun; seen: boolean }): ReactElement {
  const { trans, openRun } = useAml();
  // Open is last: when Cancel goes, the buttons that stay must not move under the pointer.
  const actions = useRunActions(run);
  return (
    <>
      <CardHead run={run}>
        <RunButtons run={run} actions={actions} />
        <button type="button" className="jp-aml-button" onClick={() => openRun(run.id)}>
          {trans.__('Open')}
        </button>
      </CardHead>
      {actions.error && <ErrorMessage error={actions.error} />}
      <CardBody run={run} />
      <CardMetrics run={run} live={seen} />
      <CardLog run={run} seen={seen} />
    </>
  );
}

function StaticCard({ run }: { run: IRun }): ReactElement {
  return (
    <>
      <CardHead run={run} />
      <CardBody run={run} />
      <CardMetrics run={run} live={false} />
    </>
  );
}

function CardHead(props: { run: IRun; children?: React.ReactNode }): ReactElement {
  const { run, children } = props;
  return (
    <div className="jp-aml-header-line">
      <StatusPill status={run.status} />
      <Name text={run.display_name || run.id} className="jp-aml-strong" />
      <Name text={run.experiment} className="jp-aml-quiet" />
      <Place run={run} />
      <Duration run={run} />
      <span className="jp-aml-spacer" />
      <span className="jp-aml-actions">{children}</span>
    </div>
  );
}

function CardBody({ run }: { run: IRun }): ReactElement {
  return (
    <>
      {run.progress && <CellProgress progress={run.progress} status={run.status} withLabel />}
      <ErrorPanel run={run} />
    </>
  );
}

/** The last lines while it runs; of a run that is over the log is there on demand. */
function CardLog({ run, seen }: { run: IRun; seen: boolean }): ReactElement | null {
  const { feed, trans } = useAml();
  const over = isFinal(run.status);
  const started = run.started_at !== null;
  const tail = useLogTail(run, started ? MAIN_STREAM : null, {
    enabled: seen,
    tailBytes: TAIL_BYTES
  });
  const text = lastLines(tail?.text ?? '');
  // What was printed was likely logged too: metrics must not stand behind the log that names them.
  useEffect(() => {
    if (text !== '' && !over) {
      feed.refresh(run.id);
    }
  }, [feed, run.id, text, over]);
  if (text === '') {
    return null;
  }
  return (
    <details className="jp-aml-card-log" open={!over}>
      <summary>{trans.__('Log')}</summary>
      <AnsiText text={text} />
    </details>
  );
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}
