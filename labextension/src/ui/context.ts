import type { TranslationBundle } from '@jupyterlab/translation';
import { createContext, useContext } from 'react';

import type { Access } from '../api/access';
import type { AmlClient } from '../api/client';
import type { RunFeed } from '../live/runFeed';

/** What every component of ours may need. */
export interface IAmlContext {
  client: AmlClient;
  access: Access;
  feed: RunFeed;
  trans: TranslationBundle;
  openRun: (runId: string) => void;
  /** Show the page of computes, with one of them where a name is given. */
  openCompute: (name?: string) => void;
  /** Whether a terminal can be opened on an instance here, and opening one. */
  hasTerminals: () => boolean;
  openTerminal: (name: string) => void;
}

export const AmlContext = createContext<IAmlContext | null>(null);

export function useAml(): IAmlContext {
  const context = useContext(AmlContext);
  if (context === null) {
    throw new Error('A component of jupyter-aml is used outside of its context.');
  }
  return context;
}
