import type { ICompute, INode, IQuota, ISize, IUsage, IUsageDay, Json } from '../api/types';
import { makeAttached, makeCluster, makeInstance, makeSize } from './computes';
import type { IRecorded } from './fakeServer';

/** The part of the fake workspace that keeps its machines. */
export class FakeComputes {
  readonly all = new Map<string, ICompute>();
  readonly nodes = new Map<string, INode[]>();
  sizes: ISize[] = [makeSize()];
  usage: IUsage[] = [];
  days: IUsageDay[] = [];
  quotas: IQuota[] = [];

  add(...computes: ICompute[]): void {
    computes.forEach(compute => this.all.set(compute.name, compute));
  }

  change(name: string, changes: Partial<ICompute>): ICompute {
    const changed = { ...(this.all.get(name) ?? makeInstance({ name })), ...changes };
    this.all.set(name, changed);
    return changed;
  }

  /** The answer to a request below `computes` or `compute-...`; undefined where there is none. */
  answer({ method, path, query, body }: IRecorded): Json | object | undefined {
    const [noun, name = '', rest = ''] = path.split('/');
    switch (noun) {
      case 'compute-sizes':
        return { items: this.sizes };
      case 'compute-quotas':
        return { items: this.quotas };
      case 'compute-usage':
        return { items: name === 'days' ? this.days : this._usageOf(query.get('compute')) };
    }
    if (name === 'attach') {
      return this._attach(body);
    }
    if (name === '') {
      return method === 'POST' ? this._create(body) : { items: [...this.all.values()] };
    }
    if (rest === 'nodes') {
      return { items: this.nodes.get(name) ?? [] };
    }
    if (method === 'DELETE') {
      return this.change(name, { state: 'Deleting' });
    }
    return method === 'PATCH' ? this.change(name, body) : this._tell(name, rest);
  }

  private _tell(name: string, verb: string): Json | object | undefined {
    switch (verb) {
      case 'start':
        return this.change(name, { state: 'Starting' });
      case 'stop':
        return this.change(name, { state: 'Stopping' });
      case 'restart':
        return this.change(name, { state: 'Restarting' });
      case 'activity':
        return this.change(name, { stops_at: null });
      default:
        return this.all.get(name);
    }
  }

  private _attach(body: IRecorded['body']): ICompute | undefined {
    const compute = makeAttached({ name: body.name as string });
    this.add(compute);
    return compute;
  }

  private _create(body: IRecorded['body']): ICompute {
    const wanted = body.compute as { kind: string; name: string };
    const make = wanted.kind === 'cluster' ? makeCluster : makeInstance;
    const state = wanted.kind === 'cluster' ? 'Running' : 'Creating';
    const compute = make({ name: wanted.name, state, created_at: 9_000 });
    this.add(compute);
    return compute;
  }

  private _usageOf(compute: string | null): IUsage[] {
    return this.usage.filter(item => compute === null || item.compute === compute);
  }
}
