import { MainAreaWidget } from '@jupyterlab/apputils';

import type { WatchedRun } from '../live/watchedRun';
import type { IRunHandle } from '../live/runFeed';
import { visible } from '../text/ansi';
import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { amlIcon } from '../ui/icons';
import { RunView } from './runView';

/** A run in the main area; its tab carries the run's name. */
export class RunDocument extends MainAreaWidget<AmlWidget> {
  constructor(
    context: IAmlContext,
    readonly runId: string
  ) {
    super({ content: new AmlWidget(context, <RunView runId={runId} />) });
    this.id = `jupyter-aml-run-${runId}`;
    this.title.label = runId.slice(0, 8);
    this.title.icon = amlIcon;
    this.title.closable = true;
    this.content.addClass('jp-aml-scrolling');
    // It would be an empty strip above the run.
    this.toolbar.hide();
    this._handle = context.feed.watch(runId);
    this._handle.watched.changed.connect(this._onChanged, this);
    // Another view may have fetched it already.
    this._onChanged(this._handle.watched);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._handle.watched.changed.disconnect(this._onChanged, this);
      this._handle.dispose();
      super.dispose();
    }
  }

  private _onChanged(watched: WatchedRun): void {
    const run = watched.run;
    if (run !== null) {
      this.title.label = visible(run.display_name || run.id);
      this.title.caption = `${visible(run.experiment)} / ${this.title.label} (${run.status})`;
    }
  }

  private readonly _handle: IRunHandle;
}
