import { asApiError } from '../api/errors';
import type { IAttachSsh } from '../api/types';
import { FormModel } from '../forms/formModel';
import type { IAmlContext } from '../ui/context';
import type { ComputeList } from './computeList';
import { placeOf, readMachine, unconfirmedKey } from './newMachine';

/** What the form begins with. */
export const MACHINE_TEXTS: ReadonlyMap<string, string> = new Map([['max_runs', '1']]);

/**
 * Attaching a machine, in two steps: it is asked for its host key, and once somebody said that it is the right
 * one, everything is sent. No password leaves before, and none is kept after.
 */
export class Attachment {
  constructor(
    private readonly _context: IAmlContext,
    private readonly _list: ComputeList
  ) {}

  readonly form = new FormModel([], new Map(MACHINE_TEXTS));

  /** What the form says, and by input what is wrong with it. */
  read(): ReturnType<typeof readMachine> {
    const taken = (this._list.computes ?? []).map(compute => compute.name);
    return readMachine(this.form.texts, taken, this._context.trans);
  }

  /** The key that this machine showed; null until it was asked. */
  get shownKey(): string | null {
    return this._place === placeOf(this.read().machine) ? this._key : null;
  }

  get isConfirmed(): boolean {
    return this._isConfirmed && this.shownKey !== null;
  }

  confirm(isRight: boolean): void {
    this._isConfirmed = isRight;
    this.form.touch();
  }

  /** Go one step on; whether the machine is attached now. */
  async submit(): Promise<boolean> {
    const { machine, problems } = this.read();
    const key = this.shownKey;
    if (key !== null && !this._isConfirmed) {
      problems.set('confirmed', this._context.trans.__('Say first that this is its key.'));
    }
    if (problems.size > 0) {
      this.form.refuse(problems);
      return false;
    }
    return key === null ? this._askKey(machine) : this._attach({ ...machine, host_key: key });
  }

  private async _askKey(machine: IAttachSsh): Promise<boolean> {
    let isAttached = false;
    await this.form.attempt(async () => {
      try {
        this._list.take(await this._context.client.computes.attach(machine));
        isAttached = true;
      } catch (thrown) {
        const key = unconfirmedKey(asApiError(thrown));
        if (key === null) {
          throw thrown;
        }
        this._key = key;
        this._place = placeOf(machine);
        this._isConfirmed = false;
      }
    });
    return isAttached;
  }

  private _attach(machine: IAttachSsh): Promise<boolean> {
    const password = this.form.texts.get('password') ?? '';
    this.form.setText('password', '');
    return this.form.attempt(async () => {
      const whole = password === '' ? machine : { ...machine, password };
      this._list.take(await this._context.client.computes.attach(whole));
    });
  }

  private _key: string | null = null;
  private _place: string | null = null;
  private _isConfirmed = false;
}
