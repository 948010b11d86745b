/**
 * Names for the shapes of the REST contract (`/aml/api/v1`). They are generated from its OpenAPI document
 * (`schema.ts`, by `make schema`); only what no document says is written here. Times are integer milliseconds
 * since the epoch, UTC.
 */

import type { components, operations } from './schema';

type Schemas = components['schemas'];

/** Any JSON value, for content whose shape is not ours. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A state of a run; the last three are final. */
export type RunStatus = Schemas['Status'];
/** A metric's value; what JSON has no number for travels as a word. */
export type MetricValue = IRun['metrics'][string];

export type IRun = Schemas['RunModel'];
export type IRunError = NonNullable<IRun['error']>;
export type RunSource = IRun['source'];
export type IProgress = Schemas['Progress'];
export type IExperiment = Schemas['ExperimentModel'];
export type IWorkspace = Schemas['WorkspaceModel'];
export type IMetric = Schemas['MetricModel'];
export type IMetricHistory = Schemas['HistoryModel'];
export type IFileEntry = Schemas['ArtifactModel'] | Schemas['SnapshotFile'];
export type ILogStream = Schemas['LogModel'];
export type ILogChunk = Schemas['LogChunk'];
export type ICellProgress = Schemas['CellModel'];
export type INotebookInspection = Schemas['NotebookInspection'];
/** One parameter of a notebook, as papermill's inspection sees it. */
export type INotebookParameter = Schemas['NotebookParameter'];

export type ICompute = Schemas['ComputeModel'];
export type INode = Schemas['NodeModel'];
export type ISize = Schemas['SizeModel'];
export type IUsage = Schemas['UsageModel'];
/** What was used on one day, UTC. */
export type IUsageDay = Schemas['DayModel'];
export type IQuota = Schemas['QuotaModel'];
export type NewCompute = Schemas['NewCompute']['compute'];
/** A machine reached by SSH, as it is attached. */
export type IAttachSsh = Schemas['AttachSsh'];
export type IComputeChanges = Schemas['UpdateCompute'];

export type IEnvironment = Schemas['EnvironmentModel'];

export type IRunSearch = Schemas['SearchRuns'];
export type ISubmitNotebook = Schemas['SubmitNotebook'];
export type IRerun = Schemas['RerunJob'];

/** The two sets of files of a run: what it made, and what was submitted. */
export type FileKind = 'artifacts' | 'snapshot';

export interface IPage<T> {
  items: T[];
  next_page_token?: string | null;
}

/** An operation of the API by its id. */
export type OperationName = keyof operations;

/** What an operation answers in JSON when all goes well. */
export type Answer<N extends OperationName> = JsonOf<Succeeded<operations[N]['responses']>>;

/** What an operation takes in JSON. */
export type Body<N extends OperationName> = JsonOf<operations[N]['requestBody']>;

type Succeeded<R> = R[keyof R & (200 | 201 | 202)];
type JsonOf<T> = T extends { content: { 'application/json': infer J } } ? J : never;

/** What an event says: ids and states only, never values. Events are no part of the REST API. */
export interface IRunEvent {
  run_id: string;
  experiment: string;
  status: RunStatus;
  progress: { done: number; total: number } | null;
}

/** What an event says of a compute; the rest is to be read anew. */
export interface IComputeEvent {
  compute: string;
  state: string;
  /** A sentence for its user, where there is something to say. */
  message: string | null;
}
