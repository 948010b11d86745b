import { Dialog } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

export interface IFormDialogOptions {
  title: string;
  body: Widget;
  buttons: Dialog.IButton[];
  /** Do what the form is for; false keeps the dialog open with what was typed. */
  submit: () => Promise<boolean>;
}

/** A Lab dialog that closes only once what it asks for was done. */
export class FormDialog extends Dialog<Widget> {
  constructor(private readonly _form: IFormDialogOptions) {
    super({ title: _form.title, body: _form.body, buttons: _form.buttons });
    this.addClass('jp-aml-dialog');
  }

  override resolve(index?: number): void {
    const button = this._form.buttons[index ?? this._form.buttons.length - 1];
    if (!button?.accept) {
      super.resolve(index);
      return;
    }
    void this._form.submit().then(done => {
      if (done && !this.isDisposed) {
        super.resolve(index);
      }
    });
  }
}
