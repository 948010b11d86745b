import type { ReactElement } from 'react';

import type { IQuota } from '../api/types';
import { useAml } from '../ui/context';
import { FactTable } from '../ui/factTable';

/** Cores in use of each size family beside how many may be; the family of the compute shown comes first. */
export function QuotaTable(props: { quotas: IQuota[]; family?: string }): ReactElement {
  const { trans } = useAml();
  const { quotas, family } = props;
  const sorted = [...quotas].sort(
    (a, b) => Number(b.family === family) - Number(a.family === family)
  );
  const facts = sorted.map(quota => ({
    name: quota.family,
    value:
      quota.limit === null
        ? trans._n('%1 core in use, no quota', '%1 cores in use, no quota', quota.used)
        : trans.__('%1 of %2 cores in use', quota.used, quota.limit)
  }));
  return <FactTable title={trans.__('Quotas')} facts={facts} />;
}
