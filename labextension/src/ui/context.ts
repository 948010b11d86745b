import type { TranslationBundle } from '@jupyterlab/translation';
import { createContext, useContext } from 'react';

import type { AmlClient } from '../api/client';
import type { RunFeed } from '../live/runFeed';

/** What every component of ours may need. */
export interface IAmlContext {
  client: AmlClient;
  feed: RunFeed;
  trans: TranslationBundle;
  openRun: (runId: string) => void;
}

export const AmlContext = createContext<IAmlContext | null>(null);

export function useAml(): IAmlContext {
  const context = useContext(AmlContext);
  if (context === null) {
    throw new Error('A component of jupyter-aml is used outside of its context.');
  }
  return context;
}
