import { decodePoints, decodeRun, list, mapping, record, string } from '../api/decode';
import { isRunId } from '../api/ids';
import type { IRun, MetricValue } from '../api/types';

export const RUN_MIME = 'application/vnd.jupyter-aml.run.v1+json';
export const RUNS_MIME = 'application/vnd.jupyter-aml.runs.v1+json';
export const COMPARE_MIME = 'application/vnd.jupyter-aml.compare.v1+json';

/** Runs in one table or comparison; a notebook that names more is cut. */
export const MAX_RUNS = 200;

export interface IRunData {
  /** Null when what is stored is no run id: nothing is fetched then. */
  runId: string | null;
  workspaceId: string | null;
  snapshot: IRun | null;
}

export interface IRunsData {
  runIds: string[];
  workspaceId: string | null;
  snapshot: IRun[];
}

export interface IPoints {
  steps: number[];
  values: MetricValue[];
}

export interface ICompared {
  run: IRun;
  history: Record<string, IPoints>;
}

export interface ICompareData {
  runIds: string[];
  workspaceId: string | null;
  snapshot: ICompared[];
}

/** What a stored run card says. All of it may be forged: only ids are used to fetch anything. */
export function readRunData(data: unknown): IRunData {
  const fields = record(data);
  return {
    runId: isRunId(fields?.run_id) ? fields.run_id : null,
    workspaceId: string(fields?.workspace_id),
    snapshot: decodeRun(fields?.snapshot)
  };
}

export function readRunsData(data: unknown): IRunsData {
  const fields = record(data);
  const runs = list(fields?.snapshot).slice(0, MAX_RUNS).map(decodeRun);
  return {
    runIds: runIds(fields?.run_ids),
    workspaceId: string(fields?.workspace_id),
    snapshot: runs.filter(run => run !== null)
  };
}

export function readCompareData(data: unknown): ICompareData {
  const fields = record(data);
  const compared = list(fields?.snapshot).slice(0, MAX_RUNS).map(readCompared);
  return {
    runIds: runIds(fields?.run_ids),
    workspaceId: string(fields?.workspace_id),
    snapshot: compared.filter(item => item !== null)
  };
}

function readCompared(value: unknown): ICompared | null {
  const fields = record(value);
  const run = decodeRun(fields?.run);
  return run && { run, history: mapping(fields?.history, decodePoints) };
}

function runIds(value: unknown): string[] {
  return [...new Set(list(value).filter(isRunId))].slice(0, MAX_RUNS);
}
