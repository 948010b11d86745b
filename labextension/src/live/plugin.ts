import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IAmlClient, IRunFeed } from '../tokens';
import { RunFeed } from './runFeed';

/** Provides runs kept current from Jupyter's event stream. */
export const eventsPlugin: JupyterFrontEndPlugin<IRunFeed> = {
  id: 'jupyter-aml:events',
  description: 'Keeps the runs shown on the page current.',
  autoStart: true,
  requires: [IAmlClient],
  provides: IRunFeed,
  activate: (app: JupyterFrontEnd, client: IAmlClient) =>
    new RunFeed({ client, stream: app.serviceManager.events.stream })
};
