import { ServerConnection } from '@jupyterlab/services';

import type {
  ICellProgress,
  IEnvironment,
  IExperiment,
  IFileEntry,
  IMetric,
  INotebookParameter,
  IRun,
  Json,
  MetricValue
} from '../api/types';
import { FakeComputes } from './fakeComputes';

/** What a request was: enough for a test to say what went over the wire. */
export interface IRecorded {
  method: string;
  path: string;
  query: URLSearchParams;
  body: { [key: string]: Json };
}

interface IFailure {
  status: number;
  code: string;
  message: string;
  hint?: string;
}

/** The REST server at the level of `fetch`: a small workspace in memory that answers as the contract says. */
export class FakeServer {
  workspaceId = 'workspace-here';
  readonly computes = new FakeComputes();
  readonly runs = new Map<string, IRun>();
  readonly logs = new Map<string, string>();
  readonly metrics = new Map<string, IMetric[]>();
  readonly histories = new Map<string, MetricValue[]>();
  readonly values = new Map<string, unknown[]>();
  readonly cells = new Map<string, ICellProgress[]>();
  readonly files = new Map<string, Map<string, Uint8Array>>();
  /** What Jupyter's authorizer grants, by resource. */
  readonly granted = new Map([
    ['aml.runs', ['write']],
    ['aml.jobs', ['write']],
    ['aml.compute', ['write', 'execute']]
  ]);
  parameters: INotebookParameter[] = [];
  environments: IEnvironment[] = [];
  /** Paths that fail, with how. */
  readonly failures = new Map<string, IFailure>();
  /** Whether no answer comes at all. */
  unreachable = false;
  readonly requests: IRecorded[] = [];

  readonly settings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost/',
    wsUrl: 'ws://localhost/',
    token: '',
    Request: FakeRequest as unknown as typeof Request,
    fetch: (input: RequestInfo | URL) => this._answer(input as unknown as FakeRequest)
  });

  add(run: IRun): IRun {
    this.runs.set(run.id, run);
    return run;
  }

  change(id: string, changes: Partial<IRun>): IRun {
    return this.add({ ...this._run(id), ...changes });
  }

  /** How often a route was asked for. */
  count(method: string, path: string): number {
    return this.requests.filter(item => item.method === method && item.path === path).length;
  }

  last(path: string): IRecorded | undefined {
    return this.requests.filter(item => item.path === path).at(-1);
  }

  private async _answer(request: FakeRequest): Promise<Response> {
    await Promise.resolve();
    const url = new URL(request.url);
    const path = url.pathname.replace('/aml/api/v1/', '');
    const body = JSON.parse(request.body ?? '{}') as IRecorded['body'];
    const recorded = { method: request.method, path, query: url.searchParams, body };
    this.requests.push(recorded);
    if (this.unreachable) {
      throw new TypeError('Failed to fetch');
    }
    if (request.body !== null && request.headers.get('Content-Type') !== 'application/json') {
      return problem({ status: 422, code: 'invalid', message: 'A body must be JSON.' });
    }
    const failure = this.failures.get(path);
    if (failure) {
      return problem(failure);
    }
    try {
      return this._route(recorded);
    } catch (thrown) {
      if (thrown instanceof NotFound) {
        return problem({ status: 404, code: 'not_found', message: 'There is no such run.' });
      }
      throw thrown;
    }
  }

  private _route({ method, path, query, body }: IRecorded): Response {
    if (path === '/api/me') {
      const permissions = Object.fromEntries(this.granted);
      return json({ identity: { username: 'ada' }, permissions });
    }
    const [noun = '', id = '', ...rest] = path.split('/');
    if (noun.startsWith('compute')) {
      const answer = this.computes.answer({ method, path, query, body });
      if (answer === undefined) {
        throw new NotFound();
      }
      return json(answer);
    }
    switch (noun) {
      case 'workspace':
        return json({ id: this.workspaceId, name: 'default', version: '0.1' });
      case 'environments':
        return page(this.environments);
      case 'experiments':
        return page(this._experiments());
      case 'notebooks':
        return id === 'inspect'
          ? json({ items: this.parameters, has_parameters_cell: true })
          : json(this._create(body));
      default:
        return id === 'search'
          ? this._search(body)
          : this._runRoute(method, id, rest.join('/'), query, body);
    }
  }

  private _runRoute(
    method: string,
    id: string,
    rest: string,
    query: URLSearchParams,
    body: IRecorded['body']
  ): Response {
    const run = this._run(id);
    const [kind = '', ...path] = rest.split('/');
    if (method === 'POST') {
      return json(
        rest === 'cancel' ? this.change(id, { status: 'CancelRequested' }) : this._create(body)
      );
    }
    switch (rest) {
      case '':
        return json(run);
      case 'metrics':
        return page(this.metrics.get(id) ?? []);
      case 'metrics/history':
        return this._history(`${id}/${query.get('name')}`);
      case 'metrics/values':
        return page(this.values.get(`${id}/${query.get('name')}`) ?? []);
      case 'cells':
        return page(this.cells.get(id) ?? []);
      case 'logs':
        return page([{ stream: 'user_logs/std_log.txt', size: 10 }]);
      case 'log':
        return this._log(run, query);
      default:
        return path.length === 0
          ? page(this._fileList(`${id}/${kind}`))
          : this._file(`${id}/${kind}`, decodeURIComponent(path.join('/')));
    }
  }

  private _search(body: IRecorded['body']): Response {
    const wanted = body.experiments as string[] | undefined;
    const part = /'%(.*)%'/.exec(text(body.filter))?.[1];
    const ids = /^attributes.run_id IN \((.*)\)$/.exec(text(body.filter))?.[1];
    const found = [...this.runs.values()]
      .filter(run => !wanted || wanted.includes(run.experiment))
      .filter(run => ids === undefined || ids.split(', ').includes(`'${run.id}'`))
      .filter(run => part === undefined || run.display_name.includes(part))
      .sort((a, b) => (b.created_at ?? 0) - (a.created_at ?? 0));
    const start = Number(body.page_token ?? 0);
    const end = start + Number(body.limit ?? 100);
    return page(found.slice(start, end), end < found.length ? String(end) : null);
  }

  private _experiments(): IExperiment[] {
    const names = [...new Set([...this.runs.values()].map(run => run.experiment))];
    return names.map(name => {
      const runs = [...this.runs.values()].filter(run => run.experiment === name);
      const times = runs.map(run => run.created_at ?? 0);
      return {
        id: name,
        name,
        description: '',
        tags: {},
        user: 'ada',
        created_at: 0,
        run_count: runs.length,
        last_run_at: times.reduce((a, b) => Math.max(a, b)),
        archived: false
      };
    });
  }

  private _history(key: string): Response {
    const values = this.histories.get(key) ?? [];
    const steps = values.map((_, index) => index);
    const name = key.split('/')[1];
    return json({ name, total: values.length, thinned: false, steps, times: steps, values });
  }

  private _log(run: IRun, query: URLSearchParams): Response {
    const bytes = new TextEncoder().encode(this.logs.get(run.id) ?? '');
    const asked = Number(query.get('offset'));
    const offset = asked < 0 ? Math.max(0, bytes.length + asked) : asked;
    const next = Math.min(bytes.length, offset + Number(query.get('limit') ?? 65536));
    return json({
      text: new TextDecoder().decode(bytes.slice(offset, next)),
      offset,
      next_offset: next,
      complete: run.ended_at !== null && next === bytes.length
    });
  }

  private _fileList(key: string): IFileEntry[] {
    const files = [...(this.files.get(key) ?? [])];
    return files.map(([path, bytes]) => ({ path, size: bytes.length, digest: '', created_at: 0 }));
  }

  private _file(key: string, path: string): Response {
    const bytes = this.files.get(key)?.get(path);
    if (bytes === undefined) {
      throw new NotFound();
    }
    return new Response(bytes as Uint8Array<ArrayBuffer>);
  }

  private _create(body: IRecorded['body']): IRun {
    const id = String(this.runs.size + 1).padStart(32, 'e');
    const base = [...this.runs.values()][0];
    return this.add({
      ...(base as IRun),
      id,
      display_name: text(body.display_name) || 'new run'
    });
  }

  private _run(id: string): IRun {
    const run = this.runs.get(id);
    if (run === undefined) {
      throw new NotFound();
    }
    return run;
  }
}

class NotFound extends Error {}

/** Node's own `Request` refuses jsdom's abort signals; all the fake needs is this. */
class FakeRequest {
  readonly method: string;
  readonly body: string | null;
  readonly headers: Headers;

  constructor(
    readonly url: string,
    init: RequestInit
  ) {
    this.headers = new Headers(init.headers);
    this.method = init.method ?? 'GET';
    this.body = typeof init.body === 'string' ? init.body : null;
  }
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { status: 200 });
}

function page(items: unknown[], next: string | null = null): Response {
  return json({ items, next_page_token: next });
}

function problem({ status, code, message, hint }: IFailure): Response {
  const error = { code, message, detail: null, hint: hint ?? null };
  return new Response(JSON.stringify({ error }), { status });
}
