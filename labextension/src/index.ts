import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { apiPlugin } from './api/plugin';
import { runDocumentPlugin } from './document/plugin';
import { eventsPlugin } from './live/plugin';
import { notebookPlugin } from './notebook/plugin';
import { renderersPlugin } from './renderers/plugin';
import { sidebarPlugin } from './sidebar/plugin';

export { IAmlClient, IRunFeed } from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  apiPlugin,
  eventsPlugin,
  sidebarPlugin,
  runDocumentPlugin,
  renderersPlugin,
  notebookPlugin
];

export default plugins;
