import { Dialog } from '@jupyterlab/apputils';

import { FormDialog } from '../forms/formDialog';
import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { AttachForm } from './attachForm';
import { Attachment } from './attachment';
import type { ComputeList } from './computeList';

/** Ask for a machine and attach it. What is missing on it is said in the form, which keeps what was typed. */
export async function attachWithDialog(context: IAmlContext, list: ComputeList): Promise<void> {
  const { trans } = context;
  const attachment = new Attachment(context, list);
  const dialog = new FormDialog({
    title: trans.__('Attach a machine'),
    body: new AmlWidget(context, <AttachForm attachment={attachment} />),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Attach') })],
    submit: () => attachment.submit()
  });
  await dialog.launch();
}
