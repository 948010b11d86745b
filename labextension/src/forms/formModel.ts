import { Signal, type ISignal } from '@lumino/signaling';

import { asApiError, type ApiError } from '../api/errors';
import type { IField } from './fields';

/** What a form holds while it is open: the texts typed, what is wrong with them, and what the server said. */
export class FormModel {
  constructor(
    fields: IField[],
    readonly texts: Map<string, string> = new Map()
  ) {
    this._fields = fields;
  }

  get fields(): readonly IField[] {
    return this._fields;
  }

  get problems(): ReadonlyMap<string, string> {
    return this._problems;
  }

  get error(): ApiError | null {
    return this._error;
  }

  get busy(): boolean {
    return this._busy;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  setField(name: string, text: string): void {
    this._fields = this._fields.map(field => (field.name === name ? { ...field, text } : field));
    this._problems.delete(name);
    this._changed.emit();
  }

  setText(name: string, text: string): void {
    this.texts.set(name, text);
    this._changed.emit();
  }

  /** Something that the form shows changed besides its texts. */
  touch(): void {
    this._changed.emit();
  }

  /** Refuse the form, telling each field what is wrong with it. */
  refuse(problems: Map<string, string>): void {
    this._problems = problems;
    this._changed.emit();
  }

  /** Run an action that ends the form; whether it succeeded. What went wrong is shown in the form. */
  async attempt(action: () => Promise<void>): Promise<boolean> {
    if (this._busy) {
      return false;
    }
    this._busy = true;
    this._error = null;
    this._changed.emit();
    try {
      await action();
      return true;
    } catch (thrown) {
      this._error = asApiError(thrown);
      return false;
    } finally {
      this._busy = false;
      this._changed.emit();
    }
  }

  private _fields: IField[];
  private _problems = new Map<string, string>();
  private _error: ApiError | null = null;
  private _busy = false;
  private readonly _changed = new Signal<this, void>(this);
}
