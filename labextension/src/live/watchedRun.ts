import { Signal, type ISignal } from '@lumino/signaling';

import type { AmlClient } from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import { isFinal } from '../api/status';
import type { IRun, IRunEvent } from '../api/types';
import { withEvent } from './events';

/** One run kept current; shared by everything on the page that shows it. */
export class WatchedRun {
  constructor(
    readonly id: string,
    private readonly _client: AmlClient
  ) {}

  /** The run as last fetched; null until the first answer. */
  get run(): IRun | null {
    return this._run;
  }

  /** Why the last fetch failed; null after one that succeeded. */
  get error(): ApiError | null {
    return this._error;
  }

  /** Whether nothing more is to be learned by asking again: the run is over, or there is no such run. */
  get isSettled(): boolean {
    return this._error?.isMissing || (this._run !== null && isFinal(this._run.status));
  }

  /** Emitted after each fetch, and when an event brings a newer state. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Fetch; calls that come while a fetch is under way lead to one further fetch, not to many. */
  refresh(): Promise<void> {
    if (this._fetching !== null) {
      this._again = true;
      return this._fetching;
    }
    this._fetching = this._fetch().finally(() => {
      this._fetching = null;
      if (this._again) {
        this._again = false;
        void this.refresh();
      }
    });
    return this._fetching;
  }

  /** Show what an answer to another call (cancel, say) already told. */
  set(run: IRun): void {
    this._run = run;
    this._error = null;
    this._changed.emit();
  }

  /** Show the state an event names at once, then fetch what the event does not say. */
  onEvent(event: IRunEvent): void {
    if (this._run !== null && !isFinal(this._run.status)) {
      this.set(withEvent(this._run, event));
    }
    void this.refresh();
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  private async _fetch(): Promise<void> {
    try {
      this._run = await this._client.run(this.id);
      this._error = null;
    } catch (thrown) {
      this._error = asApiError(thrown);
    }
    if (!this._disposed) {
      this._changed.emit();
    }
  }

  private _run: IRun | null = null;
  private _error: ApiError | null = null;
  private _fetching: Promise<void> | null = null;
  private _again = false;
  private _disposed = false;
  private readonly _changed = new Signal<this, void>(this);
}
