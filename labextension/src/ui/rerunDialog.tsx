import { Dialog } from '@jupyterlab/apputils';

import type { IRerun, IRun } from '../api/types';
import { fieldsFromValues, readFields } from '../forms/fields';
import { FormDialog } from '../forms/formDialog';
import { FormModel } from '../forms/formModel';
import { ParameterForm } from '../forms/parameterForm';
import { visible } from '../text/ansi';
import { AmlWidget } from './amlWidget';
import type { IAmlContext } from './context';

/** Run it again and show the new run; where the run had parameters they can be changed first. */
export async function rerunWithDialog(context: IAmlContext, run: IRun): Promise<void> {
  const parameters = run.spec?.parameters ?? run.spec?.inputs ?? {};
  if (Object.keys(parameters).length === 0) {
    await rerun(context, run.id, {});
    return;
  }
  const { trans } = context;
  const model = new FormModel(fieldsFromValues(parameters));
  const body = new AmlWidget(context, <ParameterForm model={model} inputs={[]} emptyNote="" />);
  const dialog = new FormDialog({
    title: trans.__('Rerun %1', visible(run.display_name)),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Rerun') })],
    submit: async () => {
      const { values, problems } = readFields([...model.fields], trans);
      if (problems.size > 0) {
        model.refuse(problems);
        return false;
      }
      return model.attempt(() => rerun(context, run.id, values));
    }
  });
  await dialog.launch();
}

async function rerun(
  context: IAmlContext,
  runId: string,
  parameters: IRerun['parameters']
): Promise<void> {
  const created = await context.client.rerun(runId, { parameters });
  context.feed.announce(created);
  context.openRun(created.id);
}
