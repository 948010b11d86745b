import { Dialog } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

export interface IFormDialogOptions {
  title: string;
  body: Widget;
  buttons: Dialog.IButton[];
  /** The button that has the focus at first; the last one when left out. */
  defaultButton?: number;
  /** Do what the form is for; false keeps the dialog open with what was typed. */
  submit: () => Promise<boolean>;
}

/** A Lab dialog that closes only once what it asks for was done. */
export class FormDialog extends Dialog<Widget> {
  constructor(private readonly _form: IFormDialogOptions) {
    super({
      title: _form.title,
      body: _form.body,
      buttons: _form.buttons,
      ...(_form.defaultButton === undefined ? {} : { defaultButton: _form.defaultButton })
    });
    this.addClass('jp-aml-dialog');
  }

  override resolve(index?: number): void {
    const button =
      this._form.buttons[index ?? this._form.defaultButton ?? this._form.buttons.length - 1];
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
