import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { accessPlugin, apiPlugin } from './api/plugin';
import { computePlugin } from './compute/plugin';
import { runDocumentPlugin } from './document/plugin';
import { instancesPlugin } from './instances/plugin';
import { eventsPlugin } from './live/plugin';
import { notebookPlugin } from './notebook/plugin';
import { renderersPlugin } from './renderers/plugin';
import { sidebarPlugin } from './sidebar/plugin';

export { IAmlAccess, IAmlClient, IRunFeed } from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  apiPlugin,
  accessPlugin,
  eventsPlugin,
  sidebarPlugin,
  runDocumentPlugin,
  renderersPlugin,
  notebookPlugin,
  computePlugin,
  instancesPlugin
];

export default plugins;
