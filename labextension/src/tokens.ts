import { Token } from '@lumino/coreutils';

import type { Access } from './api/access';
import type { AmlClient } from './api/client';
import type { RunFeed } from './live/runFeed';

/** The typed client of the workspace's REST API, as other extensions may use it too. */
export const IAmlClient = new Token<AmlClient>(
  'jupyter-aml:IAmlClient',
  'The typed client of the jupyter_aml REST API.'
);
export type IAmlClient = AmlClient;

/** What this user may do, for whoever offers it. */
export const IAmlAccess = new Token<Access>(
  'jupyter-aml:IAmlAccess',
  'Tells which actions of jupyter_aml the Jupyter server lets this user do.'
);
export type IAmlAccess = Access;

/** Runs kept current from events. */
export const IRunFeed = new Token<RunFeed>(
  'jupyter-aml:IRunFeed',
  'Watches runs of jupyter_aml and tells when they change.'
);
export type IRunFeed = RunFeed;

export const CommandIDs = {
  openRun: 'jupyter-aml:open-run',
  openCompute: 'jupyter-aml:open-compute',
  openTerminal: 'jupyter-aml:open-terminal',
  showSidebar: 'jupyter-aml:show-sidebar',
  submitNotebook: 'jupyter-aml:submit-notebook',
  submitSelected: 'jupyter-aml:submit-selected-notebook'
} as const;
