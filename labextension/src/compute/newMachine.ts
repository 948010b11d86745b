import type { TranslationBundle } from '@jupyterlab/translation';

import type { ApiError } from '../api/errors';
import type { IAttachSsh } from '../api/types';
import { nameProblem, type Texts } from './newCompute';

const MAX_PORT = 65535;
const MAX_RUNS = 1000;
/** What the service says of a key that nobody has confirmed yet. */
const UNCONFIRMED = /host key (SHA256:[A-Za-z0-9+/]{43}), which/;

/** The machine a form describes, without its password, or by input what is wrong with it. */
export function readMachine(
  texts: Texts,
  taken: readonly string[],
  trans: TranslationBundle
): { machine: IAttachSsh; problems: Map<string, string> } {
  const problems = new Map<string, string>();
  const text = (name: string): string => (texts.get(name) ?? '').trim();
  const whole = (name: string, most: number): number => {
    const value = Number(text(name));
    if (!/^\d{1,5}$/.test(text(name)) || value < 1 || value > most) {
      problems.set(name, trans.__('Give a whole number from %1 to %2.', 1, most));
    }
    return value;
  };
  const ofName = nameProblem(text('name'), taken, trans);
  if (ofName !== undefined) {
    problems.set('name', ofName);
  }
  if (!/^[^\s-]\S{0,252}$/.test(text('host'))) {
    problems.set(
      'host',
      trans.__('Give a host name, an address, or a name of your ssh configuration.')
    );
  }
  if (/\s/.test(text('username'))) {
    problems.set('username', trans.__('A user name has no spaces.'));
  }
  const machine: IAttachSsh = {
    name: text('name'),
    host: text('host'),
    max_runs: whole('max_runs', MAX_RUNS),
    ...(text('port') === '' ? {} : { port: whole('port', MAX_PORT) }),
    ...given('username', text('username')),
    ...given('private_key', text('private_key')),
    ...given('python', text('python')),
    ...given('description', text('description'))
  };
  return { machine, problems };
}

/** What is left empty is for ssh and the service to choose. */
function given(name: keyof IAttachSsh, text: string): Partial<IAttachSsh> {
  return text === '' ? {} : { [name]: text };
}

/** The fingerprint that waits for somebody to confirm it; null where something else is wrong. */
export function unconfirmedKey(error: ApiError): string | null {
  return error.status === 409 ? (UNCONFIRMED.exec(error.message)?.[1] ?? null) : null;
}

/** Which machine a key belongs to: for another one it says nothing. */
export function placeOf({ username, host, port }: IAttachSsh): string {
  return JSON.stringify([username, host, port]);
}
