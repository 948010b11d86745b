import { useCallback, useSyncExternalStore } from 'react';

import type { Deed } from '../api/access';
import { useAml } from './context';

/** Whether this user may do it; drawn again when the server has told. */
export function useMay(deed: Deed): boolean {
  const { access } = useAml();
  const subscribe = useCallback(
    (redraw: () => void) => {
      access.changed.connect(redraw);
      return () => {
        access.changed.disconnect(redraw);
      };
    },
    [access]
  );
  return useSyncExternalStore(subscribe, () => access.may(deed));
}
