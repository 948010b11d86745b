import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IAmlClient } from '../tokens';
import { AmlClient } from './client';

/** Provides the client of the REST API on this page's own server. */
export const apiPlugin: JupyterFrontEndPlugin<IAmlClient> = {
  id: 'jupyter-aml:api',
  description: 'Provides the client of the jupyter_aml REST API.',
  autoStart: true,
  provides: IAmlClient,
  activate: (app: JupyterFrontEnd) => new AmlClient(app.serviceManager.serverSettings)
};
