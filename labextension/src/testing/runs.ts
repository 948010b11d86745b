import type { IMetric, IRun, IRunError } from '../api/types';

/** A run id made from a number. */
export function runId(number: number): string {
  return number.toString(16).padStart(32, '0');
}

/** A finished run with something of everything, changed as the test needs. */
export function makeRun(changes: Partial<IRun> = {}): IRun {
  return {
    id: runId(1),
    experiment: 'iris',
    display_name: 'brisk otter',
    description: '',
    kind: 'notebook',
    status: 'Completed',
    attempt: 1,
    parent_id: null,
    user: 'ada',
    compute: 'local',
    created_at: 1_000,
    started_at: 2_000,
    ended_at: 7_000,
    archived: false,
    tags: { stage: 'dev' },
    params: { alpha: '0.1' },
    metrics: { rmse: 0.25 },
    progress: { done: 3, total: 3, label: null, index: null },
    error: null,
    source: { git: null, python: '3.11.2' },
    spec: { type: 'notebook', parameters: { alpha: 0.1 } },
    cancel_requested_at: null,
    ...changes
  };
}

/** A run that is going on. */
export function makeLiveRun(changes: Partial<IRun> = {}): IRun {
  return makeRun({
    status: 'Running',
    ended_at: null,
    started_at: Date.now() - 5_000,
    progress: { done: 1, total: 3, label: 'model.fit(X, y)', index: 1 },
    ...changes
  });
}

/** Why a run failed, changed as the test needs. */
export function makeError(changes: Partial<IRunError> = {}): IRunError {
  return {
    class: 'ValueError',
    message: 'Input X contains NaN.',
    reason: 'user_error',
    ...changes
  };
}

/** A metric as the list of a run's metrics tells it. */
export function makeMetric(changes: Partial<IMetric> & { name: string }): IMetric {
  return {
    kind: 'scalar',
    count: 1,
    last: null,
    last_step: 0,
    last_time: 0,
    min: null,
    max: null,
    ...changes
  };
}
