import { Signal, type ISignal } from '@lumino/signaling';

import type { AmlClient } from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import { isFinal } from '../api/status';
import type { IPage, IRun, IRunEvent, IRunSearch } from '../api/types';
import { withEvent } from '../live/events';

/** Runs fetched at once. */
export const PAGE_SIZE = 100;

/** A search's runs, newest first, page after page, kept current at its head. */
export class RunPager {
  constructor(
    private readonly _client: AmlClient,
    private readonly _search: Pick<IRunSearch, 'experiments' | 'filter'>
  ) {}

  get runs(): readonly IRun[] {
    return this._runs;
  }

  get loading(): boolean {
    return this._loading;
  }

  get error(): ApiError | null {
    return this._error;
  }

  /** Whether every run of the search is here. */
  get isComplete(): boolean {
    return this._started && this._token === null;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Fetch the next page, if there is one and none is on its way. */
  async loadMore(): Promise<void> {
    if (this._loading || this.isComplete) {
      return;
    }
    await this._fetch(this._token, page => {
      this._merge(page.items);
      this._token = page.next_page_token ?? null;
      this._started = true;
    });
  }

  /**
   * Fetch the first page again, and the runs further down that may have changed since: new runs come in at the head,
   * known ones are brought up to date, and those that are gone go.
   */
  async refresh(): Promise<void> {
    if (!this._started) {
      return this.loadMore();
    }
    if (this._loading) {
      this._stale = true;
      return;
    }
    let below: IRun[] = [];
    await this._fetch(null, page => {
      below = this._replaceHead(page);
    });
    await this._readAgain(below);
  }

  /** Fetch the runs again that are not over, wherever they stand; nothing when all are. */
  reread(): Promise<void> {
    return this._readAgain(this._runs);
  }

  /** Take a run an answer brought; one that is not here yet only comes in by a search. */
  update(run: IRun): boolean {
    const at = this._runs.findIndex(known => known.id === run.id);
    if (at < 0) {
      return false;
    }
    this._replace(at, run);
    return true;
  }

  /** Show what an event tells; false when the run is not here. */
  onEvent(event: IRunEvent): boolean {
    const at = this._runs.findIndex(known => known.id === event.run_id);
    const known = this._runs[at];
    if (known === undefined) {
      return false;
    }
    if (!isFinal(known.status)) {
      this._replace(at, withEvent(known, event));
    }
    return true;
  }

  dispose(): void {
    this._abort.abort();
    Signal.clearData(this);
  }

  private async _fetch(token: string | null, take: (page: IPage<IRun>) => void): Promise<void> {
    this._loading = true;
    this._changed.emit();
    try {
      const search: IRunSearch = {
        ...this._search,
        limit: PAGE_SIZE,
        ...(token === null ? {} : { page_token: token })
      };
      const page = await this._client.searchRuns(search, this._abort.signal);
      take(page);
      this._error = null;
    } catch (thrown) {
      this._error = asApiError(thrown);
    }
    this._loading = false;
    if (this._abort.signal.aborted) {
      return;
    }
    this._changed.emit();
    if (this._stale) {
      this._stale = false;
      void this.refresh();
    }
  }

  /** Fetch those of the runs again that are not over. */
  private async _readAgain(runs: readonly IRun[]): Promise<void> {
    const ids = runs.filter(run => !isFinal(run.status)).map(run => run.id);
    if (ids.length === 0 || this._error !== null) {
      return;
    }
    try {
      const found = new Map((await this._client.runs(ids)).map(run => [run.id, run]));
      const gone = new Set(ids.filter(id => !found.has(id)));
      this._runs = this._runs.filter(run => !gone.has(run.id)).map(run => found.get(run.id) ?? run);
    } catch (thrown) {
      this._error = asApiError(thrown);
    }
    if (!this._abort.signal.aborted) {
      this._changed.emit();
    }
  }

  /** Take the first page for what the list begins with; gives the runs that stand below it. */
  private _replaceHead(page: IPage<IRun>): IRun[] {
    const last = page.items.at(-1);
    const isAll = !page.next_page_token || last === undefined;
    const below = isAll ? [] : this._runs.filter(run => newestFirst(last, run) < 0);
    this._runs = [];
    this._merge([...page.items, ...below]);
    if (isAll) {
      this._token = null;
    }
    return below;
  }

  private _merge(items: IRun[]): void {
    const byId = new Map(this._runs.map(run => [run.id, run]));
    items.forEach(run => byId.set(run.id, run));
    this._runs = [...byId.values()].sort(newestFirst);
  }

  private _replace(at: number, run: IRun): void {
    this._runs = this._runs.with(at, run);
    this._changed.emit();
  }

  private _runs: IRun[] = [];
  private _token: string | null = null;
  private _started = false;
  private _loading = false;
  private _stale = false;
  private _error: ApiError | null = null;
  private readonly _abort = new AbortController();
  private readonly _changed = new Signal<this, void>(this);
}

/** Ids are made from the time (UUIDv7), so they order runs made within one millisecond too. */
function newestFirst(a: IRun, b: IRun): number {
  return b.created_at - a.created_at || (a.id < b.id ? 1 : -1);
}
