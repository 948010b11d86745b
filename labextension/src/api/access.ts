import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';

import { list, record } from './decode';

/** What the page can do besides show. */
export type Deed = 'cancel' | 'rerun' | 'submit' | 'changeCompute' | 'runCompute';

/** What Jupyter's authorizer is asked for each: the same as when the request itself comes. */
const NEEDED: Record<Deed, { resource: string; action: string }> = {
  cancel: { resource: 'aml.runs', action: 'write' },
  rerun: { resource: 'aml.jobs', action: 'write' },
  submit: { resource: 'aml.jobs', action: 'write' },
  changeCompute: { resource: 'aml.compute', action: 'write' },
  runCompute: { resource: 'aml.compute', action: 'execute' }
};

/**
 * What this user may do on this Jupyter server; the one place that decides which buttons there are. Nothing may be
 * done until the server has answered; where it cannot tell, everything may be tried, since it refuses by itself.
 */
export class Access {
  constructor(private readonly _settings: ServerConnection.ISettings) {
    void this._ask();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  may(deed: Deed): boolean {
    return this._allowed.has(deed);
  }

  private async _ask(): Promise<void> {
    const deeds = Object.keys(NEEDED) as Deed[];
    try {
      const granted = await this._granted();
      this._allowed = new Set(
        deeds.filter(deed => list(granted[NEEDED[deed].resource]).includes(NEEDED[deed].action))
      );
    } catch {
      this._allowed = new Set(deeds);
    }
    this._changed.emit();
  }

  /** The granted actions by resource, as Jupyter's identity API tells them. */
  private async _granted(): Promise<Record<string, unknown>> {
    const asked: Record<string, string[]> = {};
    for (const { resource, action } of Object.values(NEEDED)) {
      asked[resource] = [...new Set([...(asked[resource] ?? []), action])];
    }
    const query = URLExt.objectToQueryString({ permissions: JSON.stringify(asked) });
    const url = URLExt.join(this._settings.baseUrl, 'api/me') + query;
    const response = await ServerConnection.makeRequest(url, {}, this._settings);
    const permissions = response.ok ? record(record(await response.json())?.permissions) : null;
    if (permissions === null) {
      throw new ServerConnection.ResponseError(response);
    }
    return permissions;
  }

  private _allowed: ReadonlySet<Deed> = new Set();
  private readonly _changed = new Signal<this, void>(this);
}
