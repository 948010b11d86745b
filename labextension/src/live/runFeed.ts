import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { AmlClient } from '../api/client';
import { decodeEvent } from './events';
import type { IRun, IRunEvent } from '../api/types';
import { WatchedRun } from './watchedRun';

/** A share in a watched run; dispose it when nothing shows the run any more. */
export interface IRunHandle extends IDisposable {
  readonly watched: WatchedRun;
}

export interface IRunFeedOptions {
  client: AmlClient;
  /** Jupyter's event stream; without it polling alone keeps runs current. */
  stream?: ISignal<unknown, Event.Emission>;
  /** Milliseconds between polls of runs that are on screen and not over. */
  interval?: number;
}

/**
 * Keeps the runs on the page current. Events are the first source, but the stream delivers at most once: so live
 * runs are also polled, gently and only while the page is visible, and everything is fetched again when the
 * page comes back or the server answers after it did not.
 */
export class RunFeed implements IDisposable {
  constructor(options: IRunFeedOptions) {
    this._client = options.client;
    options.stream?.connect(this._onEmission, this);
    document.addEventListener('visibilitychange', this._onVisibility);
    window.addEventListener('online', this._onVisibility);
    this._stopListening = () => {
      options.stream?.disconnect(this._onEmission, this);
      document.removeEventListener('visibilitychange', this._onVisibility);
      window.removeEventListener('online', this._onVisibility);
    };
    this._poll = new Poll({
      name: 'jupyter-aml:runs',
      auto: true,
      factory: () => this._pollLive(),
      frequency: { interval: options.interval ?? 2000, backoff: true, max: 30_000 },
      standby: 'when-hidden'
    });
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  /** Each event about a run, whichever run it is. */
  get events(): ISignal<this, IRunEvent> {
    return this._events;
  }

  /** Runs made or changed from this page, before any event tells of them. */
  get announced(): ISignal<this, IRun> {
    return this._announced;
  }

  /** Events may have been missed: fetch again whatever is shown. */
  get resync(): ISignal<this, void> {
    return this._resync;
  }

  /** Watch a run; the first watcher makes it fetched. */
  watch(id: string): IRunHandle {
    const watched = this._watched.get(id) ?? new WatchedRun(id, this._client);
    if (!this._watched.has(id)) {
      this._watched.set(id, watched);
    }
    this._counts.set(id, (this._counts.get(id) ?? 0) + 1);
    if (!watched.isSettled) {
      void watched.refresh();
    }
    let released = false;
    return {
      watched,
      get isDisposed() {
        return released;
      },
      dispose: () => {
        if (!released) {
          released = true;
          this._release(id);
        }
      }
    };
  }

  /** Fetch a run again if anything shows it and it is not over. */
  refresh(id: string): void {
    const watched = this._watched.get(id);
    if (watched !== undefined && !watched.isSettled) {
      void watched.refresh();
    }
  }

  /** Tell everything on the page about a run an answer just brought. */
  announce(run: IRun): void {
    this._watched.get(run.id)?.set(run);
    this._announced.emit(run);
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._stopListening();
    this._poll.dispose();
    this._watched.forEach(watched => watched.dispose());
    this._watched.clear();
    Signal.clearData(this);
  }

  private _release(id: string): void {
    const left = (this._counts.get(id) ?? 1) - 1;
    this._counts.set(id, left);
    if (left === 0) {
      this._counts.delete(id);
      this._watched.get(id)?.dispose();
      this._watched.delete(id);
    }
  }

  private async _pollLive(): Promise<void> {
    const live = [...this._watched.values()].filter(watched => !watched.isSettled);
    await Promise.all(live.map(watched => watched.refresh()));
    const failure = live.map(watched => watched.error).find(error => error?.status === 0);
    if (failure) {
      this._unreachable = true;
      throw failure;
    }
    if (this._unreachable && live.length > 0) {
      this._unreachable = false;
      this._resync.emit();
    }
  }

  private _onEmission(_: unknown, emission: Event.Emission): void {
    const event = decodeEvent(emission);
    if (event !== null) {
      this._watched.get(event.run_id)?.onEvent(event);
      this._events.emit(event);
    }
  }

  private readonly _onVisibility = (): void => {
    if (document.visibilityState === 'visible') {
      this._watched.forEach(watched => {
        if (!watched.isSettled) {
          void watched.refresh();
        }
      });
      this._resync.emit();
    }
  };

  private readonly _client: AmlClient;
  private readonly _poll: Poll;
  private readonly _stopListening: () => void;
  private readonly _watched = new Map<string, WatchedRun>();
  private readonly _counts = new Map<string, number>();
  private _unreachable = false;
  private readonly _events = new Signal<this, IRunEvent>(this);
  private readonly _announced = new Signal<this, IRun>(this);
  private readonly _resync = new Signal<this, void>(this);
}
