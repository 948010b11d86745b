import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { isRunId } from '../api/ids';
import { CommandIDs, IAmlAccess, IAmlClient, IRunFeed } from '../tokens';
import { makeContext } from '../ui/makeContext';
import { amlIcon } from '../ui/icons';
import { RunDocument } from './runDocument';

/** The command that opens a run, and the panels it opened, kept across a page reload. */
export const runDocumentPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-aml:run-document',
  description: 'Opens runs in the main area.',
  autoStart: true,
  requires: [IAmlClient, IAmlAccess, IRunFeed],
  optional: [ILabShell, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAmlClient,
    access: IAmlAccess,
    feed: IRunFeed,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_aml');
    const context = makeContext(app, client, access, feed, translator);
    const tracker = new WidgetTracker<RunDocument>({ namespace: 'jupyter-aml-runs' });
    // Notebook 7 has room for one document in its main area: there a run opens beside it.
    const area = labShell === null ? 'right' : 'main';

    app.commands.addCommand(CommandIDs.openRun, {
      label: trans.__('Open Run'),
      caption: trans.__('Show a run by its id'),
      icon: amlIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            run_id: {
              type: 'string',
              pattern: '^[0-9a-f]{32}$',
              description: trans.__('The id of the run to show')
            }
          },
          required: ['run_id']
        }
      },
      isVisible: () => false,
      execute: async args => {
        const runId = args.run_id;
        if (!isRunId(runId)) {
          throw new Error(trans.__('A run id has 32 hexadecimal digits.'));
        }
        const known = tracker.find(widget => widget.runId === runId);
        const widget = known ?? new RunDocument(context, runId);
        if (!widget.isAttached) {
          app.shell.add(widget, area);
        }
        if (!tracker.has(widget)) {
          await tracker.add(widget);
        }
        app.shell.activateById(widget.id);
        return widget;
      }
    });
    if (restorer !== null) {
      void restorer.restore(tracker, {
        command: CommandIDs.openRun,
        args: widget => ({ run_id: widget.runId }),
        name: widget => widget.runId
      });
    }
  }
};
