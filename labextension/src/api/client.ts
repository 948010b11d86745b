import type { ServerConnection } from '@jupyterlab/services';

import { ComputeClient } from './computeClient';
import { encodePath, isRunId } from './ids';
import { request, requestJson, routeUrl, type IRequest, type Query } from './request';
import type * as t from './types';

/** The REST contract as typed methods. Holds no state besides the workspace it speaks to. */
export class AmlClient {
  constructor(readonly settings: ServerConnection.ISettings) {
    this.computes = new ComputeClient(settings);
  }

  /** The workspace's machines. */
  readonly computes: ComputeClient;

  /** The workspace behind this server; asked once, and again after a failure. */
  workspace(): Promise<t.IWorkspace> {
    if (this._workspace === null) {
      this._workspace = this._ask<'get_workspace'>('workspace');
      this._workspace.catch(() => {
        this._workspace = null;
      });
    }
    return this._workspace;
  }

  experiments(query: { limit?: number; page_token?: string }): Promise<t.IPage<t.IExperiment>> {
    return this._ask<'list_experiments'>('experiments', { query });
  }

  searchRuns(search: t.IRunSearch, signal?: AbortSignal): Promise<t.IPage<t.IRun>> {
    return this._ask<'search_runs'>('runs/search', { method: 'POST', body: search, signal });
  }

  run(id: string): Promise<t.IRun> {
    return this._ask<'get_run'>(runPath(id));
  }

  /** The runs of these ids that there are, archived ones too, in no particular order. */
  async runs(ids: readonly string[]): Promise<t.IRun[]> {
    const asked = ids.filter(isRunId);
    const pages: Promise<t.IPage<t.IRun>>[] = [];
    for (let start = 0; start < asked.length; start += IDS_AT_ONCE) {
      const some = asked.slice(start, start + IDS_AT_ONCE);
      const filter = `attributes.run_id IN (${some.map(id => `'${id}'`).join(', ')})`;
      pages.push(this.searchRuns({ filter, archived: null, limit: some.length }));
    }
    return (await Promise.all(pages)).flatMap(page => page.items);
  }

  cancel(id: string): Promise<t.IRun> {
    return requestJson<t.Answer<'cancel_run'>>(this.settings, runPath(id, 'cancel'), {
      method: 'POST',
      body: {}
    });
  }

  rerun(id: string, changes: t.IRerun): Promise<t.IRun> {
    return this._ask<'rerun_run'>(runPath(id, 'rerun'), { method: 'POST', body: changes });
  }

  metrics(id: string): Promise<t.IMetric[]> {
    return this._all<'get_metrics'>(runPath(id, 'metrics'));
  }

  /** At most `maxPoints` points, thinned by the server so that peaks stay visible. */
  history(id: string, name: string, maxPoints: number): Promise<t.IMetricHistory> {
    const query = { name, max_points: maxPoints };
    return this._ask<'metric_history'>(runPath(id, 'metrics/history'), { query });
  }

  /** Every value of a metric that is no scalar, in the order of logging. */
  metricValues(id: string, name: string): Promise<unknown[]> {
    return this._all<'metric_values'>(runPath(id, 'metrics/values'), { name });
  }

  cells(id: string): Promise<t.ICellProgress[]> {
    return this._all<'list_cells'>(runPath(id, 'cells'));
  }

  logs(id: string): Promise<t.ILogStream[]> {
    return this._all<'list_logs'>(runPath(id, 'logs'));
  }

  /** A piece of a log; an `offset` below zero counts from the end. */
  log(id: string, stream: string, offset: number, limit?: number): Promise<t.ILogChunk> {
    return this._ask<'read_log'>(runPath(id, 'log'), { query: { stream, offset, limit } });
  }

  files(id: string, kind: t.FileKind): Promise<t.IFileEntry[]> {
    return this._all<'list_artifacts' | 'list_snapshot'>(runPath(id, kind));
  }

  async fileBytes(id: string, kind: t.FileKind, path: string): Promise<ArrayBuffer> {
    const route = runPath(id, `${kind}/${encodePath(path)}`);
    return (await request(this.settings, route)).arrayBuffer();
  }

  /** Where the browser downloads a file; the server answers as an attachment. */
  fileUrl(id: string, kind: t.FileKind, path: string): string {
    return routeUrl(this.settings, runPath(id, `${kind}/${encodePath(path)}`));
  }

  /** The newest version of each environment: the user's own first, then those that come with us. */
  environments(): Promise<t.IEnvironment[]> {
    return this._all<'list_environments'>('environments');
  }

  inspectNotebook(
    notebook: t.Body<'inspect_notebook'>['notebook']
  ): Promise<t.INotebookInspection> {
    return this._ask<'inspect_notebook'>('notebooks/inspect', {
      method: 'POST',
      body: { notebook }
    });
  }

  submitNotebook(job: t.ISubmitNotebook): Promise<t.IRun> {
    return this._ask<'submit_notebook'>('notebooks/submit', { method: 'POST', body: job });
  }

  /** Call an operation; what it takes and answers is known by its name. */
  private _ask<N extends t.OperationName>(
    path: string,
    options?: IRequest & { body?: t.Body<N> }
  ): Promise<t.Answer<N>> {
    return requestJson<t.Answer<N>>(this.settings, path, options);
  }

  /** All items of a list that is paged, page after page. */
  private async _all<N extends ListName>(path: string, query: Query = {}): Promise<Item<N>[]> {
    const items: Item<N>[] = [];
    let token: string | null | undefined;
    do {
      const page = await requestJson<t.IPage<Item<N>>>(this.settings, path, {
        query: { ...query, page_token: token ?? undefined }
      });
      items.push(...page.items);
      token = page.next_page_token;
    } while (token && items.length < MAX_ITEMS);
    return items;
  }

  private _workspace: Promise<t.IWorkspace> | null = null;
}

/** The operations that answer in pages. */
type ListName = {
  [N in t.OperationName]: t.Answer<N> extends t.IPage<unknown> ? N : never;
}[t.OperationName];
type Item<N extends ListName> = t.Answer<N> extends t.IPage<infer T> ? T : never;

/** As many ids as a filter has room for (10,000 characters), with some to spare. */
const IDS_AT_ONCE = 200;
/** More entries than this in one run's list are not shown. */
const MAX_ITEMS = 10_000;

function runPath(id: string, rest = ''): string {
  const route = `runs/${encodeURIComponent(id)}`;
  return rest === '' ? route : `${route}/${rest}`;
}
