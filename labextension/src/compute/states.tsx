import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { ICompute, INode } from '../api/types';
import { visible } from '../text/ansi';
import { useAml } from '../ui/context';

const MOVING = [
  'Creating',
  'Starting',
  'Restarting',
  'Stopping',
  'Deleting',
  'preparing',
  'leaving'
];
const BAD = ['CreateFailed', 'Unusable', 'unusable'];
const STARTABLE = ['Stopped', 'CreateFailed', 'Unusable'];
const STOPPABLE = ['Running', 'JobRunning', 'Starting', 'Restarting', 'Unusable'];
const RESTARTABLE = ['Running', 'JobRunning', 'Unusable'];

/** What an instance can be told in its state; the same as the server lets through. */
export function canStart(compute: ICompute): boolean {
  return compute.kind === 'instance' && STARTABLE.includes(compute.state);
}

export function canStop(compute: ICompute): boolean {
  return compute.kind === 'instance' && STOPPABLE.includes(compute.state);
}

export function canRestart(compute: ICompute): boolean {
  return compute.kind === 'instance' && RESTARTABLE.includes(compute.state);
}

/** Whether it is on, so that a terminal can be opened on it. */
export function canEnter(compute: ICompute): boolean {
  return compute.kind === 'instance' && ['Running', 'JobRunning'].includes(compute.state);
}

/** Whether it is about to be stopped for idleness; a scheduled stop is not put off by using it. */
export function canKeepOn(compute: ICompute): boolean {
  const { stops_at: stopsAt, next_actions: actions = [] } = compute;
  return !!stopsAt && !actions.some(({ action, at }) => action === 'stop' && at === stopsAt);
}

/** Whether it will soon be in another state, so that looking again soon is worth it. */
export function isOnItsWay(compute: ICompute): boolean {
  const { state, allocation_state: allocation, active_runs: active, queued_runs: queued } = compute;
  const hasRuns = (active?.length ?? 0) + (queued ?? 0) > 0;
  const hasNodesToGive = (compute.current_nodes ?? 0) > (compute.min_nodes ?? 0);
  return MOVING.includes(state) || allocation === 'resizing' || hasRuns || hasNodesToGive;
}

type Tone = 'on' | 'busy' | 'moving' | 'off' | 'bad';

function toneOf(state: string): Tone {
  if (MOVING.includes(state)) {
    return 'moving';
  }
  if (BAD.includes(state)) {
    return 'bad';
  }
  if (state === 'JobRunning' || state === 'running') {
    return 'busy';
  }
  return ['Stopped', 'preempted'].includes(state) ? 'off' : 'on';
}

/** The state in words: Azure's names where the reader knows them, in the reader's language. */
export function stateLabel(state: string, trans: TranslationBundle): string {
  const labels = new Map([
    ['Creating', trans.__('Creating')],
    ['CreateFailed', trans.__('Create failed')],
    ['Running', trans.__('Running')],
    ['JobRunning', trans.__('Job running')],
    ['Stopping', trans.__('Stopping')],
    ['Stopped', trans.__('Stopped')],
    ['Starting', trans.__('Starting')],
    ['Restarting', trans.__('Restarting')],
    ['Deleting', trans.__('Deleting')],
    ['Unusable', trans.__('Unusable')],
    ['steady', trans.__('Steady')],
    ['resizing', trans.__('Resizing')],
    ['preparing', trans.__('Preparing')],
    ['idle', trans.__('Idle')],
    ['running', trans.__('Running a job')],
    ['leaving', trans.__('Leaving')],
    ['unusable', trans.__('Unusable')],
    ['preempted', trans.__('Preempted')]
  ]);
  return labels.get(state) ?? visible(state);
}

/** A compute's state; of a cluster that is well, whether nodes come and go. */
export function ComputePill({ compute }: { compute: ICompute }): ReactElement {
  const allocation = compute.state === 'Running' ? compute.allocation_state : null;
  if (!allocation) {
    return <Pill state={compute.state} tone={toneOf(compute.state)} />;
  }
  const tone = allocation === 'resizing' ? 'moving' : compute.current_nodes ? 'on' : 'off';
  return <Pill state={allocation} tone={tone} />;
}

export function NodePill({ node }: { node: INode }): ReactElement {
  return <Pill state={node.state} tone={toneOf(node.state)} />;
}

function Pill({ state, tone }: { state: string; tone: Tone }): ReactElement {
  const { trans } = useAml();
  return (
    <span className="jp-aml-pill" data-state={state}>
      <span className="jp-aml-dot" data-tone={tone} aria-hidden="true" />
      {stateLabel(state, trans)}
    </span>
  );
}
