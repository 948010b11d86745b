import type { TranslationBundle } from '@jupyterlab/translation';

import type { RunSource } from '../api/types';
import type { IFact } from '../ui/factTable';

/** Where a run comes from: git, Python, host. Fields this page does not know are shown as they are. */
export function sourceFacts(source: RunSource, trans: TranslationBundle): IFact[] {
  const { git, ...rest } = source;
  const facts: IFact[] = [];
  if (git) {
    add(facts, trans.__('Repository'), git.repository);
    add(facts, trans.__('Branch'), git.branch);
    const commit =
      git.commit && (git.dirty ? trans.__('%1 (with changes)', git.commit) : git.commit);
    add(facts, trans.__('Commit'), commit);
  }
  for (const [name, value] of Object.entries(rest)) {
    if (value !== null && value !== undefined && value !== '') {
      add(facts, name, typeof value === 'string' ? value : JSON.stringify(value));
    }
  }
  return facts;
}

function add(facts: IFact[], name: string, value: string | null | undefined): void {
  if (value) {
    facts.push({ name, value });
  }
}
