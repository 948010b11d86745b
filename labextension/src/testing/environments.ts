import type { IEnvironment } from '../api/types';

/** An environment that nobody built yet, changed as the test needs. */
export function makeEnvironment(changes: Partial<IEnvironment> = {}): IEnvironment {
  return {
    name: 'mine',
    version: '1',
    description: '',
    tags: {},
    user: 'ada',
    created_at: 1_000,
    archived: false,
    curated: false,
    is_latest: true,
    asked: null,
    definition: {},
    notes: [],
    state: 'not built',
    built_python: null,
    size: null,
    ...changes
  };
}
