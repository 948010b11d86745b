import { isRunId } from './ids';
import { STATUSES } from './status';
import type { IProgress, IRun, IRunError, MetricValue, RunStatus } from './types';

/**
 * A run as embedded in a notebook. The notebook may come from anybody, so each field is taken only in the
 * shape it must have; the rest becomes empty. Null when it is not even an object with a name.
 */
export function decodeRun(value: unknown): IRun | null {
  const fields = record(value);
  if (fields === null) {
    return null;
  }
  return {
    id: isRunId(fields.id) ? fields.id : '',
    experiment: string(fields.experiment) ?? '',
    display_name: string(fields.display_name) ?? '',
    description: string(fields.description) ?? '',
    kind: string(fields.kind) ?? '',
    status: status(fields.status),
    attempt: number(fields.attempt) ?? 1,
    parent_id: null,
    user: string(fields.user) ?? '',
    compute: string(fields.compute) ?? '',
    created_at: number(fields.created_at) ?? 0,
    started_at: number(fields.started_at),
    ended_at: number(fields.ended_at),
    archived: fields.archived === true,
    tags: mapping(fields.tags, string),
    params: mapping(fields.params, string),
    metrics: mapping(fields.metrics, metricValue),
    progress: progress(fields.progress),
    error: runError(fields.error),
    source: {},
    spec: spec(fields.spec),
    cancel_requested_at: number(fields.cancel_requested_at)
  };
}

/** Of what was submitted only what a card tells of it. */
function spec(value: unknown): IRun['spec'] {
  const fields = record(value);
  const type = (['command', 'notebook', 'cell'] as const).find(kind => kind === fields?.type);
  const environment = string(fields?.environment);
  return type && environment ? { type, environment } : null;
}

/** A metric's embedded points: pairs of step and value, at most as many as both lists have. */
export function decodePoints(value: unknown): { steps: number[]; values: MetricValue[] } {
  const fields = record(value);
  const steps = list(fields?.steps);
  const values = list(fields?.values);
  const points: [number, MetricValue][] = [];
  values.forEach((item, index) => {
    const decoded = metricValue(item);
    if (decoded !== null) {
      points.push([number(steps[index]) ?? index, decoded]);
    }
  });
  return { steps: points.map(point => point[0]), values: points.map(point => point[1]) };
}

export function record(value: unknown): Record<string, unknown> | null {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : null;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** A map of strings to what `read` accepts; names such as `__proto__` are plain keys. */
export function mapping<T>(value: unknown, read: (item: unknown) => T | null): Record<string, T> {
  const kept: [string, T][] = [];
  for (const [key, item] of Object.entries(record(value) ?? {})) {
    const decoded = read(item);
    if (decoded !== null) {
      kept.push([key, decoded]);
    }
  }
  return Object.fromEntries(kept);
}

export function string(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function metricValue(value: unknown): MetricValue | null {
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') {
    return value;
  }
  return number(value);
}

function status(value: unknown): RunStatus {
  return STATUSES.find(known => known === value) ?? 'NotStarted';
}

function progress(value: unknown): IProgress | null {
  const fields = record(value);
  const done = number(fields?.done);
  const total = number(fields?.total);
  return done === null || total === null
    ? null
    : { done, total, index: null, label: string(fields?.label) };
}

function runError(value: unknown): IRunError | null {
  const fields = record(value);
  return (
    fields && {
      class: string(fields.class) ?? '',
      message: string(fields.message) ?? '',
      cell: number(fields.cell),
      traceback: string(fields.traceback),
      reason: string(fields.reason) ?? ''
    }
  );
}
