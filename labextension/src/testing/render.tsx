import type { Event } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import { render, type RenderResult } from '@testing-library/react';
import type { ReactElement } from 'react';
import { onTestFinished } from 'vitest';

import { Access } from '../api/access';
import { AmlClient } from '../api/client';
import type { IComputeEvent, IRunEvent } from '../api/types';
import { COMPUTE_EVENT_SCHEMA, RUN_EVENT_SCHEMA } from '../live/events';
import { RunFeed } from '../live/runFeed';
import { AmlContext, type IAmlContext } from '../ui/context';
import type { FakeServer } from './fakeServer';

/** A page: the real client and feed over a fake server, and an event stream the test speaks on. */
export class Page {
  constructor(server: FakeServer, interval = 20) {
    const client = new AmlClient(server.settings);
    const feed = new RunFeed({ client, stream: this._stream, interval });
    onTestFinished(() => feed.dispose());
    this.context = {
      client,
      access: new Access(server.settings),
      feed,
      trans: nullTranslator.load('jupyter_aml'),
      openRun: runId => this.opened.push(runId),
      openCompute: name => this.openedComputes.push(name ?? ''),
      hasTerminals: () => true,
      openTerminal: name => this.terminals.push(name)
    };
  }

  readonly context: IAmlContext;
  /** Runs the user opened, in order. */
  readonly opened: string[] = [];
  /** Computes the user opened; empty where all of them were meant. */
  readonly openedComputes: string[] = [];
  /** Instances the user opened a terminal on. */
  readonly terminals: string[] = [];

  render(element: ReactElement): RenderResult {
    return render(<AmlContext.Provider value={this.context}>{element}</AmlContext.Provider>);
  }

  /** Jupyter's event stream. */
  get stream(): ISignal<unknown, Event.Emission> {
    return this._stream;
  }

  emitCompute(event: Partial<IComputeEvent>): void {
    const emission: unknown = { schema_id: COMPUTE_EVENT_SCHEMA, message: null, ...event };
    this._stream.emit(emission as Event.Emission);
  }

  emit(event: Partial<IRunEvent>): void {
    const emission: unknown = { schema_id: RUN_EVENT_SCHEMA, ...event };
    this._stream.emit(emission as Event.Emission);
  }

  private readonly _stream = new Signal<this, Event.Emission>(this);
}
