import { isRunId } from '../api/ids';
import { record, string } from '../api/decode';
import { STATUSES } from '../api/status';
import type { IRunEvent } from '../api/types';

/** The schema our server extension emits under, on Jupyter's event stream. */
export const RUN_EVENT_SCHEMA = 'https://schema.jupyter-aml.org/run/v1';

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
