import { isRunId } from '../api/ids';
import { record, string } from '../api/decode';
import { STATUSES } from '../api/status';
import type { IComputeEvent, IRun, IRunEvent } from '../api/types';

/** The schema our server extension emits under, on Jupyter's event stream. */
export const RUN_EVENT_SCHEMA = 'https://schema.jupyter-aml.org/run/v1';
export const COMPUTE_EVENT_SCHEMA = 'https://schema.jupyter-aml.org/compute/v1';

/** The run event in an emission; null for anybody else's, or a malformed one. */
export function decodeEvent(emission: unknown): IRunEvent | null {
  const fields = record(emission);
  if (fields === null || fields.schema_id !== RUN_EVENT_SCHEMA || !isRunId(fields.run_id)) {
    return null;
  }
  const status = STATUSES.find(known => known === fields.status);
  if (status === undefined) {
    return null;
  }
  const progress = record(fields.progress);
  const done = progress?.done;
  const total = progress?.total;
  return {
    run_id: fields.run_id,
    experiment: string(fields.experiment) ?? '',
    status,
    progress: typeof done === 'number' && typeof total === 'number' ? { done, total } : null
  };
}

/** The event about a compute in an emission; null for anybody else's, or a malformed one. */
export function decodeComputeEvent(emission: unknown): IComputeEvent | null {
  const fields = record(emission);
  const compute = string(fields?.compute);
  const state = string(fields?.state);
  if (fields?.schema_id !== COMPUTE_EVENT_SCHEMA || compute === null || state === null) {
    return null;
  }
  return { compute, state, message: string(fields.message) };
}

/** The run with what the event tells of it; the rest stays as it was. */
export function withEvent(run: IRun, event: IRunEvent): IRun {
  const progress = event.progress && {
    index: null,
    label: null,
    ...run.progress,
    ...event.progress
  };
  return { ...run, status: event.status, progress: progress ?? run.progress };
}
