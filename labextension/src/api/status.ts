import type { IRun, RunStatus } from './types';

export const FINAL: readonly RunStatus[] = ['Completed', 'Failed', 'Canceled'];

export const STATUSES: readonly RunStatus[] = [
  'NotStarted',
  'Queued',
  'Preparing',
  'Starting',
  'Running',
  'Finalizing',
  'CancelRequested',
  ...FINAL
];

export function isFinal(status: RunStatus): boolean {
  return FINAL.includes(status);
}

/** Whether asking to cancel makes sense: not over, and not asked already. */
export function canCancel(run: IRun): boolean {
  return !isFinal(run.status) && run.status !== 'CancelRequested' && !run.cancel_requested_at;
}

/** Whether the run was made from a spec, which is what running it again needs. */
export function canRerun(run: IRun): boolean {
  return run.spec !== null;
}

/** Milliseconds the run took, or has taken by `now`; null before it started. */
export function durationOf(run: IRun, now: number): number | null {
  if (run.started_at === null) {
    return null;
  }
  return Math.max(0, (run.ended_at ?? now) - run.started_at);
}
