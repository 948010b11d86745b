import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IAmlAccess, IAmlClient } from '../tokens';
import { Access } from './access';
import { AmlClient } from './client';

/** Provides the client of the REST API on this page's own server. */
export const apiPlugin: JupyterFrontEndPlugin<IAmlClient> = {
  id: 'jupyter-aml:api',
  description: 'Provides the client of the jupyter_aml REST API.',
  autoStart: true,
  provides: IAmlClient,
  activate: (app: JupyterFrontEnd) => new AmlClient(app.serviceManager.serverSettings)
};

/** Asks the server what this user may do. */
export const accessPlugin: JupyterFrontEndPlugin<IAmlAccess> = {
  id: 'jupyter-aml:access',
  description: 'Tells what the user may do with runs.',
  autoStart: true,
  provides: IAmlAccess,
  activate: (app: JupyterFrontEnd) => new Access(app.serviceManager.serverSettings)
};
