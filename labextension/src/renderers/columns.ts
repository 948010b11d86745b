import type { TranslationBundle } from '@jupyterlab/translation';

import { durationOf } from '../api/status';
import type { IRun } from '../api/types';
import { finite, formatDuration, formatMetric } from '../text/format';

/** A column of the run table: what it shows, and what it is sorted by. */
export interface IColumn {
  key: string;
  label: string;
  group: 'run' | 'param' | 'metric';
  text: (run: IRun) => string;
  order: (run: IRun) => number | string | null;
}

/** Columns of each group shown; tables wider than this are for the comparison. */
const MAX_GROUP = 10;

/** A column for each parameter and metric any of the runs has. */
export function columnsFor(runs: readonly IRun[], trans: TranslationBundle): IColumn[] {
  const params = namesIn(runs, run => run.params).map<IColumn>(name => ({
    key: `param/${name}`,
    label: name,
    group: 'param',
    text: run => own(run.params, name) ?? '',
    order: run => sortable(own(run.params, name))
  }));
  const metrics = namesIn(runs, run => run.metrics).map<IColumn>(name => ({
    key: `metric/${name}`,
    label: name,
    group: 'metric',
    text: run => formatMetric(own(run.metrics, name)),
    order: run => finite(own(run.metrics, name))
  }));
  return [...params, ...metrics, durationColumn(trans)];
}

/** Sorted by a column; what has no value comes last either way. */
export function sortRuns(runs: readonly IRun[], column: IColumn, descending: boolean): IRun[] {
  const sign = descending ? -1 : 1;
  return [...runs].sort((a, b) => {
    const [left, right] = [column.order(a), column.order(b)];
    if (left === null || right === null) {
      return Number(left === null) - Number(right === null);
    }
    if (typeof left === 'number' && typeof right === 'number') {
      return sign * (left - right);
    }
    return sign * String(left).localeCompare(String(right));
  });
}

/** A map's own value: a parameter may be called `constructor`. */
export function own<T>(map: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

/** The names any of the runs has a value for, in the order they come up. */
export function namesIn(
  runs: readonly IRun[],
  map: (run: IRun) => Record<string, unknown>
): string[] {
  return [...new Set(runs.flatMap(run => Object.keys(map(run))))].slice(0, MAX_GROUP);
}

function durationColumn(trans: TranslationBundle): IColumn {
  return {
    key: 'duration',
    label: trans.__('Duration'),
    group: 'run',
    text: run => {
      const duration = run.ended_at === null ? null : durationOf(run, run.ended_at);
      return duration === null ? '' : formatDuration(duration);
    },
    order: run => (run.ended_at === null ? null : durationOf(run, run.ended_at))
  };
}

function sortable(text: string | undefined): number | string | null {
  if (text === undefined) {
    return null;
  }
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
}
