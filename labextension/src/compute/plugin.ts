import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, IAmlAccess, IAmlClient, IRunFeed } from '../tokens';
import { computeIcon } from '../ui/icons';
import { makeContext } from '../ui/makeContext';
import { ComputePage, PAGE_ID } from './computePage';
import { Notices } from './notices';

/** The page of computes, and what computes tell wherever the user is. */
export const computePlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-aml:compute',
  description: 'Shows compute instances, clusters and attached machines.',
  autoStart: true,
  requires: [IAmlClient, IAmlAccess, IRunFeed],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ILauncher, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAmlClient,
    access: IAmlAccess,
    feed: IRunFeed,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_aml');
    const context = makeContext(app, client, access, feed, translator);
    const { stream } = app.serviceManager.events;
    const tracker = new WidgetTracker<ComputePage>({ namespace: 'jupyter-aml-compute' });
    // Notebook 7 has room for one document in its main area: there the page opens beside it.
    const area = labShell === null ? 'right' : 'main';
    stream.connect(new Notices(context).onEmission);

    app.commands.addCommand(CommandIDs.openCompute, {
      label: args => (args.isPalette ? trans.__('Show Compute') : trans.__('Compute')),
      caption: trans.__('Show compute instances, clusters and attached machines'),
      icon: computeIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            name: {
              type: 'string',
              description: trans.__('The compute to show; the lists when left out')
            }
          }
        }
      },
      execute: async args => {
        const known = tracker.currentWidget;
        const page = known && !known.isDisposed ? known : new ComputePage(context, stream);
        if (!page.isAttached) {
          app.shell.add(page, area);
        }
        if (!tracker.has(page)) {
          await tracker.add(page);
        }
        page.showCompute(typeof args.name === 'string' ? args.name : null);
        app.shell.activateById(page.id);
        return page;
      }
    });
    if (restorer !== null) {
      void restorer.restore(tracker, { command: CommandIDs.openCompute, name: () => PAGE_ID });
    }
    palette?.addItem({
      command: CommandIDs.openCompute,
      category: trans.__('Experiments and Runs'),
      args: { isPalette: true }
    });
    launcher?.add({ command: CommandIDs.openCompute, category: trans.__('Other'), rank: 6 });
  }
};
