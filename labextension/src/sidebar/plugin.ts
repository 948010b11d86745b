import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, IAmlAccess, IAmlClient, IRunFeed } from '../tokens';
import { amlIcon } from '../ui/icons';
import { makeContext } from '../ui/makeContext';
import { Sidebar, SIDEBAR_ID } from './sidebar';

/** Experiments and runs in the left area. */
export const sidebarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-aml:sidebar',
  description: 'Lists experiments and runs in the left area.',
  autoStart: true,
  requires: [IAmlClient, IAmlAccess, IRunFeed],
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAmlClient,
    access: IAmlAccess,
    feed: IRunFeed,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_aml');
    const sidebar = new Sidebar(makeContext(app, client, access, feed, translator));
    app.shell.add(sidebar, 'left', { rank: 600, type: 'Experiments' });
    restorer?.add(sidebar, SIDEBAR_ID);

    app.commands.addCommand(CommandIDs.showSidebar, {
      label: trans.__('Show Experiments and Runs'),
      icon: amlIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(SIDEBAR_ID)
    });
    palette?.addItem({
      command: CommandIDs.showSidebar,
      category: trans.__('Experiments and Runs')
    });
  }
};
