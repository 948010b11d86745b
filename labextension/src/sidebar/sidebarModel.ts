import type { IDisposable } from '@lumino/disposable';
import { Debouncer, Poll, Throttler } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';

import type { AmlClient } from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { IExperiment, IRun, IRunEvent } from '../api/types';
import type { RunFeed } from '../live/runFeed';
import { toFilter } from './filter';
import { pagerRows, type Row } from './rows';
import { RunPager } from './runPager';

/** Experiments with their runs, or the runs a filter finds; current while the sidebar is shown. */
export class SidebarModel implements IDisposable {
  constructor(
    private readonly _client: AmlClient,
    private readonly _feed: RunFeed,
    interval = SWEEP
  ) {
    _feed.events.connect(this._onEvent, this);
    _feed.announced.connect(this._onAnnounced, this);
    _feed.resync.connect(this._onResync, this);
    this._throttled = new Throttler(() => this.refresh(), { limit: 1000, edge: 'trailing' });
    // Events are delivered at most once, and Lab does not tell when their stream was cut and came back.
    this._sweep = new Poll({
      name: 'jupyter-aml:sidebar',
      auto: true,
      factory: () => this._lookAgain(),
      frequency: { interval, backoff: true, max: 4 * interval },
      standby: () => (this._active ? 'when-hidden' : true)
    });
    this._debounced = new Debouncer(() => this._applyFilter(), 250);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get filter(): string {
    return this._filter;
  }

  /** Whether the experiments were fetched at least once. */
  get isReady(): boolean {
    return this._ready;
  }

  /** Whether there is anything to show at all. */
  get isEmpty(): boolean {
    return this._ready && this._error === null && this._experiments.length === 0;
  }

  /** What is wrong with the filter, or why its search failed; shown in full, not as a line of the list. */
  get filterError(): ApiError | null {
    return this._found?.error ?? null;
  }

  /** The list as it is drawn. */
  get rows(): Row[] {
    if (this._found !== null) {
      const options = { prefix: 'found', level: 1, withExperiment: true };
      return pagerRows(this._found, options).filter(row => row.kind !== 'error');
    }
    const rows: Row[] = [];
    if (this._error !== null) {
      const retry = (): void => void this.refresh();
      rows.push({ kind: 'error', key: 'error', error: this._error, retry });
    }
    for (const experiment of this._experiments) {
      const pager = this._pagers.get(experiment.name);
      const expanded = pager !== undefined;
      rows.push({ kind: 'experiment', key: experiment.id, experiment, expanded });
      if (pager !== undefined) {
        const options = { prefix: experiment.id, level: 2, withExperiment: false };
        rows.push(...pagerRows(pager, options));
      }
    }
    return rows;
  }

  /** While the sidebar is hidden nothing is fetched; shown again, everything in it is. */
  setActive(active: boolean): void {
    this._active = active;
    if (active) {
      void this.refresh();
    }
  }

  toggle(name: string): void {
    const pager = this._pagers.get(name);
    if (pager !== undefined) {
      pager.dispose();
      this._pagers.delete(name);
    } else {
      void this._expand(name);
    }
    this._changed.emit();
  }

  setFilter(text: string): void {
    this._filter = text;
    this._changed.emit();
    void this._debounced.invoke();
  }

  /** Fetch everything shown again. */
  async refresh(): Promise<void> {
    await this._loadExperiments();
    await Promise.all(this._shownPagers().map(pager => pager.refresh()));
  }

  private async _loadExperiments(): Promise<void> {
    try {
      this._experiments = await this._fetchExperiments();
      this._error = null;
    } catch (thrown) {
      this._error = asApiError(thrown);
    }
    const first = this._experiments[0];
    if (!this._opened && first !== undefined) {
      this._opened = true;
      void this._expand(first.name);
    }
    this._ready = this._ready || this._error === null;
    this._changed.emit();
  }

  /** Bring rows up to date that an event was lost for: cheaply, unless runs came or went. */
  private async _lookAgain(): Promise<void> {
    if (!this._active || !this._ready) {
      return;
    }
    const before = this._extent();
    await this._loadExperiments();
    if (this._error !== null) {
      throw this._error;
    }
    const pagers = this._shownPagers();
    const moved = this._extent() !== before || pagers.some(pager => pager.error);
    await Promise.all(pagers.map(pager => (moved ? pager.refresh() : pager.reread())));
  }

  /** What changes when a run is made or goes. */
  private _extent(): string {
    return this._experiments.map(item => `${item.id} ${item.run_count} ${item.last_run_at}`).join();
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._throttled.dispose();
    this._sweep.dispose();
    this._debounced.dispose();
    this._feed.events.disconnect(this._onEvent, this);
    this._feed.announced.disconnect(this._onAnnounced, this);
    this._feed.resync.disconnect(this._onResync, this);
    this._pagers.forEach(pager => pager.dispose());
    this._found?.dispose();
    Signal.clearData(this);
  }

  private async _fetchExperiments(): Promise<IExperiment[]> {
    const items: IExperiment[] = [];
    let token: string | undefined;
    do {
      const page = await this._client.experiments({ limit: 500, page_token: token });
      items.push(...page.items);
      token = page.next_page_token ?? undefined;
    } while (token !== undefined && items.length < MAX_EXPERIMENTS);
    const latest = (item: IExperiment): number => item.last_run_at ?? item.created_at ?? 0;
    return items.sort((a, b) => latest(b) - latest(a));
  }

  private _expand(name: string): Promise<void> {
    const pager = this._newPager({ experiments: [name] });
    this._pagers.set(name, pager);
    return pager.loadMore();
  }

  private _applyFilter(): void {
    this._found?.dispose();
    const filter = toFilter(this._filter);
    this._found = filter === '' ? null : this._newPager({ filter });
    this._changed.emit();
    void this._found?.loadMore();
  }

  private _newPager(search: { experiments?: string[]; filter?: string }): RunPager {
    const pager = new RunPager(this._client, search);
    pager.changed.connect(() => this._changed.emit());
    return pager;
  }

  private _shownPagers(): RunPager[] {
    return this._found !== null ? [this._found] : [...this._pagers.values()];
  }

  private _onEvent(_: RunFeed, event: IRunEvent): void {
    const isOpen = this._pagers.get(event.experiment)?.onEvent(event) ?? false;
    const isFound = this._found?.onEvent(event) ?? false;
    const isProgress = event.status === 'Running' && (isOpen || isFound);
    if (this._active && !isProgress) {
      void this._throttled.invoke();
    }
  }

  private _onAnnounced(_: RunFeed, run: IRun): void {
    this._shownPagers().forEach(pager => pager.update(run));
    if (this._active) {
      void this._throttled.invoke();
    }
  }

  private _onResync(): void {
    if (this._active) {
      void this._throttled.invoke();
    }
  }

  private _experiments: IExperiment[] = [];
  private _error: ApiError | null = null;
  private _ready = false;
  /** Whether the latest experiment was opened for the user, which is done once. */
  private _opened = false;
  private _active = false;
  private _isDisposed = false;
  private _filter = '';
  private _found: RunPager | null = null;
  private readonly _pagers = new Map<string, RunPager>();
  private readonly _throttled: Throttler;
  private readonly _sweep: Poll;
  private readonly _debounced: Debouncer;
  private readonly _changed = new Signal<this, void>(this);
}

/** Milliseconds between looks at rows that no event told of; enough to be seen, few enough to cost nothing. */
const SWEEP = 10_000;
/** More experiments than this are found by the filter only. */
const MAX_EXPERIMENTS = 5000;
