import type { ServerConnection } from '@jupyterlab/services';

import { encodePath } from './ids';
import { request, requestJson, routeUrl, type IRequest, type Query } from './request';
import type * as t from './types';

/** The REST contract as typed methods. Holds no state besides the workspace it speaks to. */
export class AmlClient {
  constructor(readonly settings: ServerConnection.ISettings) {}

  /** The workspace behind this server; asked once, and again after a failure. */
  workspace(): Promise<t.IWorkspace> {
    if (this._workspace === null) {
      this._workspace = this._json<t.IWorkspace>('workspace');
      this._workspace.catch(() => {
        this._workspace = null;
      });
    }
    return this._workspace;
  }

  experiments(query: { limit?: number; page_token?: string }): Promise<t.IPage<t.IExperiment>> {
    return this._json('experiments', { query });
  }

  searchRuns(search: t.IRunSearch, signal?: AbortSignal): Promise<t.IPage<t.IRun>> {
    return this._json('runs/search', { method: 'POST', body: search, signal });
  }

  run(id: string): Promise<t.IRun> {
    return this._json(runPath(id));
  }

  cancel(id: string): Promise<t.IRun> {
    return this._json(runPath(id, 'cancel'), { method: 'POST', body: {} });
  }

  rerun(id: string, changes: t.IRerun): Promise<t.IRun> {
    return this._json(runPath(id, 'rerun'), { method: 'POST', body: changes });
  }

  metrics(id: string): Promise<t.IMetric[]> {
    return this._items(runPath(id, 'metrics'));
  }

  /** At most `maxPoints` points, thinned by the server so that peaks stay visible. */
  history(id: string, name: string, maxPoints: number): Promise<t.IMetricHistory> {
    return this._json(runPath(id, 'metrics/history'), { query: { name, max_points: maxPoints } });
  }

  /** Every value of a metric that is no scalar, in the order of logging. */
  metricValues(id: string, name: string): Promise<t.Json[]> {
    return this._items(runPath(id, 'metrics/values'), { name });
  }

  cells(id: string): Promise<t.ICellProgress[]> {
    return this._items(runPath(id, 'cells'));
  }

  logs(id: string): Promise<t.ILogStream[]> {
    return this._items(runPath(id, 'logs'));
  }

  /** A piece of a log; an `offset` below zero counts from the end. */
  log(id: string, stream: string, offset: number, limit?: number): Promise<t.ILogChunk> {
    return this._json(runPath(id, 'log'), { query: { stream, offset, limit } });
  }

  files(id: string, kind: t.FileKind): Promise<t.IFileEntry[]> {
    return this._items(runPath(id, kind));
  }

  async fileBytes(id: string, kind: t.FileKind, path: string): Promise<ArrayBuffer> {
    const route = runPath(id, `${kind}/${encodePath(path)}`);
    return (await request(this.settings, route)).arrayBuffer();
  }

  /** Where the browser downloads a file; the server answers as an attachment. */
  fileUrl(id: string, kind: t.FileKind, path: string): string {
    return routeUrl(this.settings, runPath(id, `${kind}/${encodePath(path)}`));
  }

  inspectNotebook(notebook: object): Promise<t.INotebookInspection> {
    return this._json('notebooks/inspect', { method: 'POST', body: { notebook } });
  }

  submitNotebook(job: t.ISubmitNotebook): Promise<t.IRun> {
    return this._json('notebooks/submit', { method: 'POST', body: job });
  }

  private _json<T>(path: string, options?: IRequest): Promise<T> {
    return requestJson<T>(this.settings, path, options);
  }

  /** All items of a list that is paged, page after page. */
  private async _items<T>(path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let token: string | null | undefined;
    do {
      const page: t.IPage<T> = await this._json(path, {
        query: { ...query, page_token: token ?? undefined }
      });
      items.push(...page.items);
      token = page.next_page_token;
    } while (token && items.length < MAX_ITEMS);
    return items;
  }

  private _workspace: Promise<t.IWorkspace> | null = null;
}

/** More entries than this in one run's list are not shown. */
const MAX_ITEMS = 10_000;

function runPath(id: string, rest = ''): string {
  const route = `runs/${encodeURIComponent(id)}`;
  return rest === '' ? route : `${route}/${rest}`;
}
