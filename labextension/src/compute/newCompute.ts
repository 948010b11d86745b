import type { TranslationBundle } from '@jupyterlab/translation';

import type { ISize, NewCompute } from '../api/types';

/** The choice of plain cores and memory in place of a size by name. */
export const CUSTOM = 'custom';
const DEFAULT_SIZE = 'STANDARD_DS1_V2';
const NAME = /^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$/;
const MEMORY = /^\d{1,15}(\.\d{1,6})?\s*[KMGT](i?B)?$/i;
const MAX_NODES = 1000;

export type NewKind = NewCompute['kind'];
export type Texts = ReadonlyMap<string, string>;

/** What a form begins with. */
export function initialTexts(kind: NewKind, sizes: readonly ISize[]): Map<string, string> {
  const fitting = sizes.filter(size => size.fits);
  const size = fitting.find(({ name }) => name === DEFAULT_SIZE) ?? fitting[0];
  const common: [string, string][] = [
    ['size', size?.name ?? CUSTOM],
    ['cpus', '1'],
    ['memory', '2 GiB']
  ];
  return new Map<string, string>(
    kind === 'instance'
      ? [...common, ['idle_minutes', '60']]
      : [
          ...common,
          ['min_nodes', '0'],
          ['max_nodes', '2'],
          ['idle_seconds', '120'],
          ['priority', 'dedicated']
        ]
  );
}

/** The compute a form describes, or by input what is wrong with it. `taken` are the names there are. */
export function readNewCompute(
  kind: NewKind,
  texts: Texts,
  taken: readonly string[],
  trans: TranslationBundle
): { compute: NewCompute; problems: Map<string, string> } {
  const reader = new Reader(texts, trans);
  const common = { name: reader.name(taken), description: reader.text('description') };
  const size = reader.size();
  const compute: NewCompute =
    kind === 'instance'
      ? { kind, ...common, ...size, idle_seconds: reader.idleMinutes() }
      : {
          kind,
          ...common,
          ...size,
          ...reader.nodes(),
          priority: reader.text('priority') === 'low_priority' ? 'low_priority' : 'dedicated'
        };
  return { compute, problems: reader.problems };
}

/** Why a compute cannot have this name; undefined where it can. */
export function nameProblem(
  name: string,
  taken: readonly string[],
  trans: TranslationBundle
): string | undefined {
  const folded = name.toLowerCase();
  if (!NAME.test(name)) {
    const example = 'cpu-cluster';
    return trans.__('Use 3 to 24 letters, digits and dashes, a letter first, such as %1.', example);
  }
  if (folded === 'local') {
    return trans.__('local is this machine itself.');
  }
  return taken.some(other => other.toLowerCase() === folded)
    ? trans.__('There is a compute of this name already.')
    : undefined;
}

/** The node settings of a cluster's form, or by input what is wrong with them. */
export function readNodes(
  texts: Texts,
  trans: TranslationBundle
): { nodes: ReturnType<Reader['nodes']>; problems: Map<string, string> } {
  const reader = new Reader(texts, trans);
  return { nodes: reader.nodes(), problems: reader.problems };
}

/** Reads inputs one by one and notes what is wrong; what it gives for a wrong one is not to be used. */
class Reader {
  constructor(
    private readonly _texts: Texts,
    private readonly _trans: TranslationBundle
  ) {}

  readonly problems = new Map<string, string>();

  text(name: string): string {
    return (this._texts.get(name) ?? '').trim();
  }

  name(taken: readonly string[]): string {
    const name = this.text('name');
    const problem = nameProblem(name, taken, this._trans);
    if (problem !== undefined) {
      this.problems.set('name', problem);
    }
    return name;
  }

  size(): { size: string } | { cpus: number; memory: string } {
    const size = this.text('size');
    if (size !== CUSTOM) {
      return { size };
    }
    const memory = this.text('memory');
    if (!MEMORY.test(memory)) {
      this.problems.set('memory', this._trans.__('Write an amount such as 4 GiB or 512 MiB.'));
    }
    return { cpus: this._cpus(), memory };
  }

  /** Seconds after which an idle instance is stopped; null for never. */
  idleMinutes(): number | null {
    const text = this.text('idle_minutes');
    const minutes = Number(text);
    if (text === '') {
      return null;
    }
    if (!(minutes >= 1 && minutes <= 3 * 24 * 60)) {
      const problem = this._trans.__('Give 1 to 4320 minutes, or nothing for never.');
      this.problems.set('idle_minutes', problem);
    }
    return minutes * 60;
  }

  nodes(): { min_nodes: number; max_nodes: number; idle_seconds: number } {
    const least = this._whole('min_nodes', 0, MAX_NODES);
    const most = this._whole('max_nodes', 1, MAX_NODES);
    if (least > most) {
      const problem = this._trans.__('The least number of nodes is %1.', least);
      this.problems.set('max_nodes', problem);
    }
    return {
      min_nodes: least,
      max_nodes: most,
      idle_seconds: this._whole('idle_seconds', 0, 30 * 86400)
    };
  }

  private _cpus(): number {
    const cpus = Number(this.text('cpus'));
    if (!(cpus >= 0.1 && cpus <= 4096)) {
      this.problems.set('cpus', this._trans.__('Give a number of cores such as 1 or 0.5.'));
    }
    return cpus;
  }

  private _whole(name: string, least: number, most: number): number {
    const text = this.text(name);
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < least || value > most) {
      const problem = this._trans.__('Give a whole number from %1 to %2.', least, most);
      this.problems.set(name, problem);
    }
    return value;
  }
}
