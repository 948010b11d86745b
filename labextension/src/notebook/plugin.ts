import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, IAmlAccess, IAmlClient, IRunFeed } from '../tokens';
import { submitIcon } from '../ui/icons';
import { makeContext } from '../ui/makeContext';
import { selectedNotebook, sourceOf } from './source';
import { submitWithDialog } from './submitDialog';

/** "Submit as run": in the notebook's toolbar (see schema/notebook.json), the palette and the file browser. */
export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-aml:notebook',
  description: 'Submits notebooks as runs.',
  autoStart: true,
  requires: [IAmlClient, IAmlAccess, IRunFeed],
  optional: [INotebookTracker, IFileBrowserFactory, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAmlClient,
    access: IAmlAccess,
    feed: IRunFeed,
    tracker: INotebookTracker | null,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_aml');
    const context = makeContext(app, client, access, feed, translator);
    const { contents } = app.serviceManager;

    const submit = async (path: string): Promise<string | null> => {
      const source = await sourceOf(path, tracker, contents);
      const run = await submitWithDialog(context, source);
      if (run === null) {
        return null;
      }
      feed.announce(run);
      context.openRun(run.id);
      return run.id;
    };

    access.changed.connect(() => {
      app.commands.notifyCommandChanged(CommandIDs.submitNotebook);
      app.commands.notifyCommandChanged(CommandIDs.submitSelected);
    });

    const current = (): string | null => tracker?.currentWidget?.context.path ?? null;
    app.commands.addCommand(CommandIDs.submitNotebook, {
      label: trans.__('Submit as Run'),
      caption: trans.__('Run this notebook as a tracked run'),
      icon: submitIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            path: {
              type: 'string',
              description: trans.__('The notebook; the current one when left out')
            }
          }
        }
      },
      isVisible: () => access.may('submit'),
      isEnabled: args =>
        access.may('submit') && (typeof args.path === 'string' || current() !== null),
      execute: args => {
        const path = typeof args.path === 'string' ? args.path : current();
        return path === null ? null : submit(path);
      }
    });
    palette?.addItem({
      command: CommandIDs.submitNotebook,
      category: trans.__('Experiments and Runs')
    });

    app.commands.addCommand(CommandIDs.submitSelected, {
      label: trans.__('Submit as Run…'),
      icon: submitIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      isVisible: () => access.may('submit') && selectedNotebook(browsers) !== null,
      execute: () => {
        const path = selectedNotebook(browsers);
        return path === null ? null : submit(path);
      }
    });
  }
};
