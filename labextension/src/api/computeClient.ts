import type { ServerConnection } from '@jupyterlab/services';

import { request, requestJson, type IRequest, type Query } from './request';
import type * as t from './types';

/** What can be asked of the workspace's machines, as typed methods. */
export class ComputeClient {
  constructor(readonly settings: ServerConnection.ISettings) {}

  async list(signal?: AbortSignal): Promise<t.ICompute[]> {
    return (await this._ask<'list_computes'>('computes', { signal })).items;
  }

  get(name: string): Promise<t.ICompute> {
    return this._ask<'get_compute'>(computePath(name));
  }

  create(compute: t.NewCompute): Promise<t.ICompute> {
    return this._ask<'create_compute'>('computes', { method: 'POST', body: { compute } });
  }

  /** Attach a machine; without its confirmed `host_key` this is refused, with the key it shows. */
  attach(machine: t.IAttachSsh): Promise<t.ICompute> {
    return this._ask<'attach_compute'>('computes/attach', { method: 'POST', body: machine });
  }

  update(name: string, changes: t.IComputeChanges): Promise<t.ICompute> {
    return this._ask<'update_compute'>(computePath(name), { method: 'PATCH', body: changes });
  }

  /** With `force` the runs on it are canceled; without, it is refused while there are any. */
  delete(name: string, force: boolean): Promise<t.ICompute> {
    const query: Query = force ? { force } : {};
    return this._ask<'delete_compute'>(computePath(name), { method: 'DELETE', query });
  }

  start(name: string): Promise<t.ICompute> {
    return this._ask<'start_compute'>(computePath(name, 'start'), { method: 'POST' });
  }

  stop(name: string): Promise<t.ICompute> {
    return this._ask<'stop_compute'>(computePath(name, 'stop'), { method: 'POST' });
  }

  restart(name: string): Promise<t.ICompute> {
    return this._ask<'restart_compute'>(computePath(name, 'restart'), { method: 'POST' });
  }

  /** Somebody uses it: the time after which it is stopped for idleness begins anew. */
  async keepOn(name: string): Promise<void> {
    await request(this.settings, computePath(name, 'activity'), { method: 'POST' });
  }

  async nodes(name: string): Promise<t.INode[]> {
    return (await this._ask<'list_nodes'>(computePath(name, 'nodes'))).items;
  }

  async sizes(): Promise<t.ISize[]> {
    return (await this._ask<'list_sizes'>('compute-sizes')).items;
  }

  /** What each compute used and would have cost, month by month; only of `compute` where that is given. */
  async usage(compute?: string): Promise<t.IUsage[]> {
    return (await this._ask<'list_usage'>('compute-usage', { query: { compute } })).items;
  }

  /** What a compute used day by day, over the last `days` days. */
  async dailyUsage(compute: string, days: number): Promise<t.IUsageDay[]> {
    const query = { compute, days };
    return (await this._ask<'list_daily_usage'>('compute-usage/days', { query })).items;
  }

  async quotas(): Promise<t.IQuota[]> {
    return (await this._ask<'list_quotas'>('compute-quotas')).items;
  }

  private _ask<N extends t.OperationName>(
    path: string,
    options?: IRequest & { body?: t.Body<N> }
  ): Promise<t.Answer<N>> {
    return requestJson<t.Answer<N>>(this.settings, path, options);
  }
}

function computePath(name: string, rest = ''): string {
  const route = `computes/${encodeURIComponent(name)}`;
  return rest === '' ? route : `${route}/${rest}`;
}
