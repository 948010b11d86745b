import type { TranslationBundle } from '@jupyterlab/translation';

import type { ICompute, INode, ISize } from '../api/types';
import { formatBytes } from '../text/format';

/** What a machine of this size has: `2 cores, 7.0 GiB, 1 GPU`. */
export function sizeWords(size: ISize, trans: TranslationBundle): string {
  const words = [trans._n('%1 core', '%1 cores', size.cpus), formatBytes(size.memory)];
  if (size.gpus > 0) {
    words.push(trans._n('%1 GPU', '%1 GPUs', size.gpus));
  }
  return words.join(', ');
}

/** Dollars as people read them; what is less than a cent is not nothing. */
export function costWords(dollars: number): string {
  return dollars > 0 && dollars < 0.01 ? '< $0.01' : `$${dollars.toFixed(2)}`;
}

export function priceWords(size: ISize, trans: TranslationBundle): string {
  return trans.__('$%1 an hour', Number(size.price.toFixed(4)));
}

/** How many nodes there are, and what they do: `2 of 0–4: 1 running, 1 idle`. */
export function nodeWords(compute: ICompute, trans: TranslationBundle): string {
  const { current_nodes: current, min_nodes: least, max_nodes: most } = compute;
  return trans.__('%1 of %2–%3', current ?? 0, least ?? 0, most ?? 0);
}

const NODE_STATES: readonly INode['state'][] = [
  'running',
  'preparing',
  'idle',
  'leaving',
  'preempted',
  'unusable'
];

/** What the nodes do: `1 running, 1 idle`; empty where there are none. */
export function nodeStateWords(compute: ICompute, trans: TranslationBundle): string {
  const counts = compute.node_counts;
  const labels: Record<INode['state'], string> = {
    running: trans.__('running'),
    preparing: trans.__('preparing'),
    idle: trans.__('idle'),
    leaving: trans.__('leaving'),
    preempted: trans.__('preempted'),
    unusable: trans.__('unusable')
  };
  return NODE_STATES.filter(state => counts?.[state])
    .map(state => `${counts?.[state] ?? 0} ${labels[state]}`)
    .join(', ');
}

/** A length of time somebody chose, in its largest whole unit. */
function spanWords(seconds: number, trans: TranslationBundle): string {
  if (seconds >= 3600 && seconds % 3600 === 0) {
    return trans.__('%1 h', seconds / 3600);
  }
  return seconds >= 60 && seconds % 60 === 0
    ? trans.__('%1 min', seconds / 60)
    : trans.__('%1 s', seconds);
}

/** When it is given back for idleness, in words. */
export function idleWords(compute: ICompute, trans: TranslationBundle): string {
  const { idle_seconds: seconds, kind } = compute;
  if (seconds === null || seconds === undefined) {
    return trans.__('never');
  }
  const after = spanWords(seconds, trans);
  return kind === 'cluster'
    ? trans.__('nodes go after %1 without a job', after)
    : trans.__('stopped after %1', after);
}
