import type { JupyterFrontEnd } from '@jupyterlab/application';
import { nullTranslator, type ITranslator } from '@jupyterlab/translation';

import { CommandIDs, type IAmlAccess, type IAmlClient, type IRunFeed } from '../tokens';
import type { IAmlContext } from './context';

/** What our components need, from what a plugin is given. */
export function makeContext(
  app: JupyterFrontEnd,
  client: IAmlClient,
  access: IAmlAccess,
  feed: IRunFeed,
  translator: ITranslator | null
): IAmlContext {
  return {
    client,
    access,
    feed,
    trans: (translator ?? nullTranslator).load('jupyter_aml'),
    openRun: runId => {
      if (app.commands.hasCommand(CommandIDs.openRun)) {
        void app.commands.execute(CommandIDs.openRun, { run_id: runId });
      }
    },
    openCompute: name => {
      if (app.commands.hasCommand(CommandIDs.openCompute)) {
        void app.commands.execute(CommandIDs.openCompute, name === undefined ? {} : { name });
      }
    },
    hasTerminals: () =>
      app.commands.hasCommand(CommandIDs.openTerminal) &&
      app.commands.isVisible(CommandIDs.openTerminal),
    openTerminal: name => void app.commands.execute(CommandIDs.openTerminal, { name })
  };
}
