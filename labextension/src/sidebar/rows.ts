import type { ApiError } from '../api/errors';
import type { IExperiment, IRun } from '../api/types';
import type { RunPager } from './runPager';

/** One line of the sidebar's list; the tree is flattened so that only what is in view is drawn. */
export type Row =
  | { kind: 'experiment'; key: string; experiment: IExperiment; expanded: boolean }
  | { kind: 'run'; key: string; run: IRun; level: number; withExperiment: boolean }
  | { kind: 'more'; key: string; pager: RunPager }
  | { kind: 'empty'; key: string; level: number }
  | { kind: 'error'; key: string; error: ApiError; retry: () => void };

/** The rows of one pager's runs, with what stands below them: more, nothing, or an error. */
export function pagerRows(
  pager: RunPager,
  options: { prefix: string; level: number; withExperiment: boolean }
): Row[] {
  const { prefix, level, withExperiment } = options;
  const rows: Row[] = pager.runs.map(run => ({
    kind: 'run',
    key: `${prefix}/${run.id}`,
    run,
    level,
    withExperiment
  }));
  if (pager.error !== null) {
    const retry = (): void => void (pager.runs.length > 0 ? pager.loadMore() : pager.refresh());
    rows.push({ kind: 'error', key: `${prefix}/error`, error: pager.error, retry });
  } else if (!pager.isComplete) {
    rows.push({ kind: 'more', key: `${prefix}/more`, pager });
  } else if (pager.runs.length === 0) {
    rows.push({ kind: 'empty', key: `${prefix}/empty`, level });
  }
  return rows;
}
