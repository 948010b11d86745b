import { useEffect, useRef } from 'react';

import { useLoaded, type ILoaded } from '../live/hooks';

/** What `load` brings, loaded again whenever `round` (see `ComputeList`) changes to another number. */
export function useReread<T>(load: () => Promise<T>, round: number | null): ILoaded<T> {
  const loaded = useLoaded(load);
  const { reload } = loaded;
  const seen = useRef(round);
  useEffect(() => {
    if (round !== null && seen.current !== round) {
      seen.current = round;
      reload();
    }
  }, [round, reload]);
  return loaded;
}
