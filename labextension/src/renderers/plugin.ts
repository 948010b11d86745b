import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator } from '@jupyterlab/translation';
import type { ComponentType } from 'react';

import { IAmlAccess, IAmlClient, IRunFeed } from '../tokens';
import { makeContext } from '../ui/makeContext';
import { AmlRenderer } from './amlRenderer';
import { Comparison } from './comparison';
import { COMPARE_MIME, RUN_MIME, RUNS_MIME } from './data';
import { RunCard } from './runCard';
import { RunTable } from './runTable';

const COMPONENTS: [string, ComponentType<{ data: unknown }>][] = [
  [RUN_MIME, RunCard],
  [RUNS_MIME, RunTable],
  [COMPARE_MIME, Comparison]
];

/**
 * Run cards, tables and comparisons in notebooks. They are safe for untrusted notebooks: of the stored data only
 * checked ids are used, and everything is drawn as text.
 */
export const renderersPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-aml:renderers',
  description: 'Draws runs in notebooks, live and without a kernel.',
  autoStart: true,
  requires: [IRenderMimeRegistry, IAmlClient, IAmlAccess, IRunFeed],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    registry: IRenderMimeRegistry,
    client: IAmlClient,
    access: IAmlAccess,
    feed: IRunFeed,
    translator: ITranslator | null
  ) => {
    const context = makeContext(app, client, access, feed, translator);
    for (const [mimeType, component] of COMPONENTS) {
      const factory = {
        safe: true,
        mimeTypes: [mimeType],
        createRenderer: () => new AmlRenderer(context, mimeType, component)
      };
      registry.addFactory(factory, 0);
    }
  }
};
