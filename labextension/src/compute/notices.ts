import { Notification } from '@jupyterlab/apputils';
import type { Event } from '@jupyterlab/services';

import { asApiError } from '../api/errors';
import type { ICompute, IComputeEvent } from '../api/types';
import { decodeComputeEvent } from '../live/events';
import { visible } from '../text/ansi';
import type { IAmlContext } from '../ui/context';
import { canKeepOn } from './states';

/** How long a notice stays that asks for nothing. */
const MESSAGE_MS = 20_000;

/** Tells the user, wherever in Lab they are, what a compute has to say: it is soon stopped, a kernel on it died. */
export class Notices {
  constructor(private readonly _context: IAmlContext) {}

  /** To be connected to Jupyter's event stream. */
  readonly onEmission = (_: unknown, emission: Event.Emission): void => {
    const event = decodeComputeEvent(emission);
    if (event !== null) {
      void this._tell(event);
    }
  };

  private async _tell(event: IComputeEvent): Promise<void> {
    const { compute: name, message } = event;
    if (message === null && !this._warnings.has(name)) {
      return;
    }
    const compute = await this._read(name);
    if (!compute?.stops_at) {
      this._take(name); // It is not about to be stopped (any more).
    }
    if (message === null) {
      return;
    }
    if (compute?.stops_at && !this._warnings.has(name)) {
      this._warn(compute, message);
    } else {
      const isOn = event.state === 'Running' || event.state === 'JobRunning';
      Notification.emit(visible(message), isOn ? 'warning' : 'info', {
        autoClose: MESSAGE_MS,
        actions: [this._show(name)]
      });
    }
  }

  /** That it is about to be stopped; stays until that is over. */
  private _warn(compute: ICompute, message: string): void {
    const { name } = compute;
    const actions = [this._show(name)];
    if (canKeepOn(compute)) {
      actions.unshift(this._keep(name));
    }
    const options = { autoClose: false as const, actions };
    this._warnings.set(name, Notification.emit(visible(message), 'warning', options));
  }

  private _keep(name: string): Notification.IAction {
    const { trans } = this._context;
    return {
      label: trans.__('Keep on'),
      caption: trans.__('Its idle time begins anew'),
      displayType: 'accent',
      callback: () => void this._keepOn(name)
    };
  }

  private async _keepOn(name: string): Promise<void> {
    this._take(name);
    try {
      await this._context.client.computes.keepOn(name);
    } catch (thrown) {
      Notification.error(`${visible(name)}: ${visible(asApiError(thrown).message)}`);
    }
  }

  private _show(name: string): Notification.IAction {
    const { trans, openCompute } = this._context;
    return { label: trans.__('Show'), callback: () => openCompute(name) };
  }

  /** Take the warning about a compute away. */
  private _take(name: string): void {
    const known = this._warnings.get(name);
    this._warnings.delete(name);
    if (known !== undefined) {
      Notification.dismiss(known);
    }
  }

  private async _read(name: string): Promise<ICompute | null> {
    try {
      return await this._context.client.computes.get(name);
    } catch {
      return null; // Who may not read computes is told what the event says.
    }
  }

  private readonly _warnings = new Map<string, string>();
}
