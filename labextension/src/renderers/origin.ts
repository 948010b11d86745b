import type { TranslationBundle } from '@jupyterlab/translation';
import { useCallback } from 'react';

import type { ApiError } from '../api/errors';
import { useLoaded } from '../live/hooks';
import { useAml } from '../ui/context';

/** Whether stored data belongs to the workspace of this server; only then is anything fetched by its ids. */
export type Origin = 'asking' | 'here' | 'elsewhere' | 'unknown';

export function useOrigin(workspaceId: string | null): Origin {
  const { client } = useAml();
  const load = useCallback(() => client.workspace(), [client]);
  const { value, error } = useLoaded(load);
  if (value !== null) {
    return value.id === workspaceId ? 'here' : 'elsewhere';
  }
  return error === null ? 'asking' : 'unknown';
}

/** Why what is shown is only what was saved in the notebook; null when it is live. */
export function staticNote(
  origin: Origin,
  error: ApiError | null,
  trans: TranslationBundle
): string | null {
  if (origin === 'elsewhere') {
    return trans.__('From another workspace: shown as it was saved.');
  }
  if (origin === 'unknown') {
    return trans.__('The workspace does not answer: shown as it was saved.');
  }
  if (error?.isMissing) {
    return trans.__('No longer in this workspace: shown as it was saved.');
  }
  return error === null ? null : trans.__('Cannot be fetched now: shown as it was saved.');
}
