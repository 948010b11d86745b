/**
 * The shapes of the REST contract (`/aml/api/v1`), in one file so that they can be generated from
 * the OpenAPI document later. Times are integer milliseconds since the epoch, UTC.
 */

/** A state of a run; the last three are final. */
export type RunStatus =
  | 'NotStarted'
  | 'Queued'
  | 'Preparing'
  | 'Starting'
  | 'Running'
  | 'Finalizing'
  | 'CancelRequested'
  | 'Completed'
  | 'Failed'
  | 'Canceled';

/** Any JSON value, for content whose shape is not ours. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A metric's value; what JSON has no number for travels as a word. */
export type MetricValue = number | 'NaN' | 'Infinity' | '-Infinity';

export interface IProgress {
  done: number;
  total: number;
  label?: string | null;
  index?: number | null;
}

export interface IRunError {
  class?: string | null;
  message?: string | null;
  cell?: number | null;
  traceback?: string | null;
  log_tail?: string[] | null;
  reason?: string | null;
}

export interface IGitInfo {
  repository?: string | null;
  commit?: string | null;
  branch?: string | null;
  dirty?: boolean | null;
}

export type RunSource = { git?: IGitInfo | null } & { [key: string]: Json | IGitInfo | undefined };

export interface IRun {
  id: string;
  experiment: string;
  display_name: string;
  description: string | null;
  kind: string;
  status: RunStatus;
  attempt: number;
  parent_id: string | null;
  user: string | null;
  compute: string | null;
  created_at: number | null;
  started_at: number | null;
  ended_at: number | null;
  archived: boolean;
  tags: Record<string, string>;
  params: Record<string, string>;
  metrics: Record<string, MetricValue>;
  progress: IProgress | null;
  error: IRunError | null;
  source: RunSource | null;
  spec: { parameters?: Record<string, Json>; [key: string]: Json | undefined } | null;
  cancel_requested_at: number | null;
}

export interface IExperiment {
  id: string;
  name: string;
  description: string | null;
  tags: Record<string, string>;
  created_at: number | null;
  run_count: number;
  last_run_at: number | null;
  archived: boolean;
}

export interface IWorkspace {
  id: string;
  name: string;
  folder?: string;
  version: string;
}

export interface IPage<T> {
  items: T[];
  next_page_token: string | null;
}

export interface IMetric {
  name: string;
  kind: string;
  count: number;
  last?: MetricValue | null;
  last_step?: number | null;
  last_time?: number | null;
  min?: MetricValue | null;
  max?: MetricValue | null;
  value?: Json;
}

export interface IMetricHistory {
  name: string;
  total: number;
  thinned: boolean;
  steps: (number | null)[];
  times: number[];
  values: MetricValue[];
}

/** The two sets of files of a run: what it made, and what was submitted. */
export type FileKind = 'artifacts' | 'snapshot';

export interface IFileEntry {
  path: string;
  size: number;
  digest?: string;
  created_at?: number | null;
}

export interface ILogStream {
  stream: string;
  size: number;
}

export interface ILogChunk {
  text: string;
  offset: number;
  next_offset: number;
  complete: boolean;
}

export type CellState = 'pending' | 'running' | 'completed' | 'failed';

export interface ICellProgress {
  index: number;
  label: string;
  kind: string;
  state: CellState;
  started_at: number | null;
  ended_at: number | null;
}

/** One parameter of a notebook, as papermill's inspection sees it. */
export interface INotebookParameter {
  name: string;
  default: string;
  type: string;
  help: string;
}

export interface INotebookInspection {
  items: INotebookParameter[];
  has_parameters_cell: boolean;
}

export interface IRunSearch {
  filter?: string;
  order_by?: string[];
  experiments?: string[];
  parent_id?: string;
  archived?: boolean;
  limit?: number;
  page_token?: string;
}

export interface ISubmitNotebook {
  path: string;
  parameters: Record<string, Json>;
  experiment?: string;
  display_name?: string;
}

export interface IRerun {
  parameters?: Record<string, Json>;
  display_name?: string;
}

/** What an event says: ids and states only, never values. */
export interface IRunEvent {
  run_id: string;
  experiment: string;
  status: RunStatus;
  progress: { done: number; total: number } | null;
}
