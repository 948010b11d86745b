import type { ReactElement } from 'react';

import { string } from '../api/decode';
import type { IRun } from '../api/types';
import { useAml } from './context';
import { Name } from './name';

const LOCAL = 'local';

/** The environment a run asked for; null for the Python that runs have by default. */
export function environmentOf(run: IRun): string | null {
  return string(run.spec?.environment) || null;
}

/** Where a run was sent, and with which Python; nothing where both are the default. */
export function Place({ run }: { run: IRun }): ReactElement {
  const { trans } = useAml();
  const environment = environmentOf(run);
  return (
    <>
      {run.compute && run.compute !== LOCAL && (
        <Name text={trans.__('on %1', run.compute)} className="jp-aml-quiet" />
      )}
      {environment && <Name text={trans.__('with %1', environment)} className="jp-aml-quiet" />}
    </>
  );
}
