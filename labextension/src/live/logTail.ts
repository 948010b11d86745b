import { Signal, type ISignal } from '@lumino/signaling';

import type { AmlClient } from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { ILogChunk } from '../api/types';

/** Bytes asked for at once. */
const CHUNK = 65_536;
/** Characters kept while following; older ones can be asked for again. */
const KEPT = 1_000_000;
/** Chunks fetched in one go before the page is given back to the user. */
const BURST = 16;

/**
 * The end of one log stream, growing while its run does. Offsets are bytes and come from the server, so that text
 * cut between chunks is never asked for twice nor lost.
 */
export class LogTail {
  constructor(
    private readonly _client: AmlClient,
    private readonly _runId: string,
    readonly stream: string,
    private readonly _tailBytes = CHUNK
  ) {}

  get text(): string {
    return this._chunks.map(chunk => chunk.text).join('');
  }

  /** Whether the stream holds more before what is kept. */
  get hasEarlier(): boolean {
    return (this._chunks[0]?.offset ?? 0) > 0;
  }

  /** Whether the run is over and everything it wrote was read. */
  get isComplete(): boolean {
    return this._complete;
  }

  get error(): ApiError | null {
    return this._error;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Read what was written since the last call. Throws when the server does not answer. */
  async advance(): Promise<void> {
    if (this._busy || this._complete) {
      return;
    }
    this._busy = true;
    try {
      for (let count = 0; count < BURST; count++) {
        const chunk = await this._read();
        if (this._complete || chunk.text === '') {
          break;
        }
      }
      this._error = null;
    } catch (thrown) {
      this._error = asApiError(thrown);
      throw this._error;
    } finally {
      this._busy = false;
      this._changed.emit();
    }
  }

  /** Read the piece before the earliest one kept. */
  async loadEarlier(): Promise<void> {
    const first = this._chunks[0];
    if (this._busy || first === undefined || first.offset === 0) {
      return;
    }
    this._busy = true;
    try {
      const offset = Math.max(0, first.offset - CHUNK);
      const limit = first.offset - offset;
      this._chunks.unshift(await this._client.log(this._runId, this.stream, offset, limit));
      this._extra += limit;
    } catch (thrown) {
      this._error = asApiError(thrown);
    } finally {
      this._busy = false;
      this._changed.emit();
    }
  }

  dispose(): void {
    Signal.clearData(this);
  }

  private async _read(): Promise<ILogChunk> {
    const last = this._chunks.at(-1);
    const offset = last === undefined ? -this._tailBytes : last.next_offset;
    const chunk = await this._client.log(this._runId, this.stream, offset, CHUNK);
    if (chunk.text !== '' || last === undefined) {
      this._chunks.push(chunk);
      this._trim();
    }
    this._complete = chunk.complete;
    return chunk;
  }

  private _trim(): void {
    let length = this._chunks.reduce((sum, chunk) => sum + chunk.text.length, 0);
    while (this._chunks.length > 1 && length > KEPT + this._extra) {
      length -= this._chunks.shift()?.text.length ?? 0;
    }
  }

  private _chunks: ILogChunk[] = [];
  private _extra = 0;
  private _busy = false;
  private _complete = false;
  private _error: ApiError | null = null;
  private readonly _changed = new Signal<this, void>(this);
}
