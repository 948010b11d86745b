import { useCallback, useEffect, useMemo, useState } from 'react';

import type { ApiError } from '../api/errors';
import { isFinal } from '../api/status';
import type { IRun } from '../api/types';
import { useLoaded } from '../live/hooks';
import { useAml } from '../ui/context';

export interface IRuns {
  runs: IRun[] | null;
  error: ApiError | null;
}

/** Several runs by id, in that order, the unfinished among them kept current. Ids must be checked already. */
export function useRuns(runIds: string[], enabled: boolean): IRuns {
  const { client, feed } = useAml();
  const load = useCallback(async () => {
    const found = new Map((await client.runs(runIds)).map(run => [run.id, run]));
    return runIds.flatMap(id => found.get(id) ?? []);
  }, [client, runIds]);
  const { value, error } = useLoaded(enabled && runIds.length > 0 ? load : null);
  const [newer, setNewer] = useState<ReadonlyMap<string, IRun>>(new Map());
  useEffect(() => {
    const live = enabled ? (value ?? []).filter(run => !isFinal(run.status)) : [];
    const handles = live.map(run => feed.watch(run.id));
    const take = (): void =>
      setNewer(
        new Map(handles.flatMap(({ watched }) => (watched.run ? [[watched.id, watched.run]] : [])))
      );
    handles.forEach(handle => handle.watched.changed.connect(take));
    return () => {
      handles.forEach(handle => {
        handle.watched.changed.disconnect(take);
        handle.dispose();
      });
    };
  }, [feed, value, enabled]);
  const runs = useMemo(() => value?.map(run => newer.get(run.id) ?? run) ?? null, [value, newer]);
  return { runs, error };
}
