import { Dialog } from '@jupyterlab/apputils';

import { asApiError } from '../api/errors';
import type { ISize } from '../api/types';
import { FormDialog } from '../forms/formDialog';
import { FormModel } from '../forms/formModel';
import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { ErrorMessage } from '../ui/messages';
import type { ComputeList } from './computeList';
import { CreateForm } from './createForm';
import { initialTexts, readNewCompute, type NewKind } from './newCompute';

/** Ask for a new compute and make it. What the server refuses is said in the form, which keeps what was typed. */
export async function createWithDialog(
  context: IAmlContext,
  list: ComputeList,
  kind: NewKind
): Promise<void> {
  const { trans, client } = context;
  const title = kind === 'instance' ? trans.__('New instance') : trans.__('New cluster');
  let sizes: readonly ISize[];
  try {
    sizes = await client.computes.sizes();
  } catch (thrown) {
    await new Dialog({
      title,
      body: new AmlWidget(context, <ErrorMessage error={asApiError(thrown)} />),
      buttons: [Dialog.okButton()]
    }).launch();
    return;
  }
  const model = new FormModel([], initialTexts(kind, sizes));
  const dialog = new FormDialog({
    title,
    body: new AmlWidget(
      context,
      <CreateForm kind={kind} model={model} sizes={sizes} list={list} />
    ),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Create') })],
    submit: async () => {
      const taken = (list.computes ?? []).map(compute => compute.name);
      const { compute, problems } = readNewCompute(kind, model.texts, taken, trans);
      if (problems.size > 0) {
        model.refuse(problems);
        return false;
      }
      return model.attempt(async () => list.take(await client.computes.create(compute)));
    }
  });
  await dialog.launch();
}
