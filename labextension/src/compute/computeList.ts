import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll, type IPoll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { ComputeClient } from '../api/computeClient';
import { asApiError, type ApiError } from '../api/errors';
import type { ICompute } from '../api/types';
import { decodeComputeEvent } from '../live/events';
import { isOnItsWay } from './states';

/** Milliseconds between two looks while something is on its way, and while nothing is. */
const SOON = 2_000;
const LATER = 10_000;

export interface IComputeListOptions {
  client: ComputeClient;
  /** Jupyter's event stream; without it polling alone keeps the list current. */
  stream?: ISignal<unknown, Event.Emission>;
  /** How often to look, in place of the usual. */
  soon?: number;
  later?: number;
}

/**
 * The workspace's computes, current while active and on a visible page. Events are delivered at most once, and
 * not every node's change is one: so it also looks by itself, often only while something is on its way.
 */
export class ComputeList implements IDisposable {
  constructor(private readonly _options: IComputeListOptions) {
    _options.stream?.connect(this._onEmission, this);
    this._poll = new Poll({
      name: 'jupyter-aml:computes',
      auto: true,
      factory: () => this._look(),
      frequency: this._frequency(false),
      standby: () => (this._active ? 'when-hidden' : true)
    });
  }

  /** Null until the first answer. */
  get computes(): readonly ICompute[] | null {
    return this._computes;
  }

  /** Why the last look failed; null after one that succeeded. */
  get error(): ApiError | null {
    return this._error;
  }

  /** Why the last thing the user asked for was refused. */
  get refusal(): ApiError | null {
    return this._refusal;
  }

  /** What each compute would have cost so far, in dollars, by name. */
  get costs(): ReadonlyMap<string, number> {
    return this._costs;
  }

  /** Counts the looks: what hangs on a compute (nodes, usage) is to be read again when it changes. */
  get round(): number {
    return this._round;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  find(name: string): ICompute | undefined {
    return this._computes?.find(compute => compute.name === name);
  }

  /** Whether something asked of this compute has not been answered yet. */
  isBusy(name: string): boolean {
    return this._busy.has(name);
  }

  setActive(active: boolean): void {
    this._active = active;
    if (active) {
      void this.refresh();
    }
  }

  /** Read again; calls that come meanwhile lead to one further reading, not to many. */
  refresh(): Promise<void> {
    if (this._reading !== null) {
      this._again = true;
      return this._reading;
    }
    this._reading = this._read().finally(() => {
      this._reading = null;
      if (this._again && !this.isDisposed) {
        this._again = false;
        void this.refresh();
      }
    });
    return this._reading;
  }

  /** Ask something of a compute, and show what came of it at once. */
  async act(name: string, action: () => Promise<ICompute>): Promise<void> {
    this._busy.add(name);
    this._refusal = null;
    this._changed.emit();
    try {
      this.take(await action());
    } catch (thrown) {
      this._refusal = asApiError(thrown);
    }
    this._busy.delete(name);
    this._changed.emit();
    void this.refresh();
  }

  /** Show a compute that an answer brought. */
  take(compute: ICompute): void {
    const others = (this._computes ?? []).filter(known => known.name !== compute.name);
    this._computes = [...others, compute].sort(oldestFirst);
    this._hurry(true);
    this._changed.emit();
  }

  forgetRefusal(): void {
    this._refusal = null;
    this._changed.emit();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._options.stream?.disconnect(this._onEmission, this);
      this._poll.dispose();
      Signal.clearData(this);
    }
  }

  private async _look(): Promise<void> {
    await this.refresh();
    if (this._error !== null) {
      throw this._error; // Poll waits longer and longer then.
    }
  }

  private async _read(): Promise<void> {
    try {
      const computes = await this._options.client.list();
      this._computes = computes;
      this._error = null;
      await this._readCosts();
    } catch (thrown) {
      this._error = asApiError(thrown);
    }
    if (this.isDisposed) {
      return;
    }
    this._round += 1;
    this._hurry(this._computes?.some(isOnItsWay) ?? false);
    this._changed.emit();
  }

  /** Costs grow by the second: they need not be read each time. */
  private async _readCosts(): Promise<void> {
    if (Date.now() - this._costsReadAt < LATER) {
      return;
    }
    const costs = new Map<string, number>();
    for (const item of await this._options.client.usage()) {
      costs.set(item.compute, (costs.get(item.compute) ?? 0) + item.cost);
    }
    this._costs = costs;
    this._costsReadAt = Date.now();
  }

  /** Look often or seldom from now on; a long wait that has begun already is cut short. */
  private _hurry(soon: boolean): void {
    const frequency = this._frequency(soon);
    const isSooner = frequency.interval < this._poll.frequency.interval;
    this._poll.frequency = frequency;
    if (isSooner) {
      void this._poll.schedule({ interval: frequency.interval, phase: 'refreshed' });
    }
  }

  private _frequency(soon: boolean): IPoll.Frequency {
    const { soon: often = SOON, later = LATER } = this._options;
    return { interval: soon ? often : later, backoff: true, max: 3 * later };
  }

  private _onEmission(_: unknown, emission: Event.Emission): void {
    if (this._active && decodeComputeEvent(emission) !== null) {
      void this.refresh();
    }
  }

  private readonly _poll: Poll;
  private _active = false;
  private _computes: readonly ICompute[] | null = null;
  private _costs: ReadonlyMap<string, number> = new Map();
  private _costsReadAt = -Infinity;
  private _error: ApiError | null = null;
  private _refusal: ApiError | null = null;
  private _round = 0;
  private _reading: Promise<void> | null = null;
  private _again = false;
  private readonly _busy = new Set<string>();
  private readonly _changed = new Signal<this, void>(this);
}

function oldestFirst(a: ICompute, b: ICompute): number {
  return a.created_at - b.created_at;
}
