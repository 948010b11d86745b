import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Debouncer } from '@lumino/polling';

import { decodeComputeEvent } from '../live/events';
import { CommandIDs } from '../tokens';
import { typeInto } from './terminal';

/** Several computes may change at once: the kernels are read again when it is quiet. */
const QUIET_MS = 300;

/** Running instances as places to work: their kernels are offered at once, and a terminal opens on them. */
export const instancesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-aml:instances',
  description: 'Offers the kernels of compute instances, and terminals on them.',
  autoStart: true,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('jupyter_aml');
    const { events, kernelspecs } = app.serviceManager;
    const refresh = new Debouncer(() => kernelspecs.refreshSpecs(), QUIET_MS);
    events.stream.connect((_, emission) => {
      if (decodeComputeEvent(emission) !== null) {
        void refresh.invoke();
      }
    });

    app.commands.addCommand(CommandIDs.openTerminal, {
      label: trans.__('Open Terminal'),
      caption: trans.__('Open a terminal on a running compute instance'),
      isVisible: () => app.commands.hasCommand('terminal:create-new'),
      describedBy: {
        args: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string', description: trans.__('The instance') } }
        }
      },
      execute: async args => {
        if (typeof args.name !== 'string') {
          return;
        }
        const terminal: unknown = await app.commands.execute('terminal:create-new');
        await typeInto(terminal, connectLine(args.name, kernelspecs.specs?.kernelspecs));
      }
    });
  }
};

/**
 * What to type. The Python that has the package is the one the instance's own kernel is started with: whether
 * `aml` is on the terminal's path is not known here.
 */
export function connectLine(
  name: string,
  specs: Readonly<Record<string, { argv: readonly string[] } | undefined>> | undefined
): string {
  const python = specs?.[`aml-${name.toLowerCase()}`]?.argv[0];
  const program = python === undefined ? 'aml' : `${quoted(python)} -m jupyter_aml`;
  return `${program} compute connect -n ${quoted(name)}\r`;
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
