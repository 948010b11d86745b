import { Dialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';

import { asApiError } from '../api/errors';
import type { INotebookInspection, IRun } from '../api/types';
import { fieldsFromNotebook, readFields } from '../forms/fields';
import { FormDialog } from '../forms/formDialog';
import { FormModel } from '../forms/formModel';
import { ParameterForm, type ITextInput } from '../forms/parameterForm';
import { visible } from '../text/ansi';
import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { ErrorMessage } from '../ui/messages';

export interface INotebookSource {
  /** The path on the server's contents API, without a drive. */
  path: string;
  /** The notebook as nbformat's JSON. */
  notebook: object;
}

/** Ask for parameters and names, submit, and give the new run; null when the user cancels. */
export async function submitWithDialog(
  context: IAmlContext,
  source: INotebookSource
): Promise<IRun | null> {
  let inspection: INotebookInspection;
  try {
    inspection = await context.client.inspectNotebook(source.notebook);
  } catch (thrown) {
    await showError(context, thrown);
    return null;
  }
  const { trans } = context;
  const model = new FormModel(fieldsFromNotebook(inspection.items));
  let created: IRun | null = null;
  const dialog = new FormDialog({
    title: trans.__('Submit %1 as a run', visible(PathExt.basename(source.path))),
    body: new AmlWidget(
      context,
      <ParameterForm
        model={model}
        inputs={inputs(context)}
        emptyNote={emptyNote(context, inspection)}
      />
    ),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Submit') })],
    submit: async () => {
      const { values, problems } = readFields([...model.fields], trans);
      if (problems.size > 0) {
        model.refuse(problems);
        return false;
      }
      return model.attempt(async () => {
        created = await context.client.submitNotebook({
          path: source.path,
          parameters: values,
          ...given('experiment', model),
          ...given('display_name', model)
        });
      });
    }
  });
  await dialog.launch();
  return created;
}

function inputs({ trans }: IAmlContext): ITextInput[] {
  return [
    {
      name: 'experiment',
      label: trans.__('Experiment'),
      placeholder: trans.__('default')
    },
    {
      name: 'display_name',
      label: trans.__('Run name'),
      placeholder: trans.__('chosen for you')
    }
  ];
}

function emptyNote({ trans }: IAmlContext, inspection: INotebookInspection): string {
  return inspection.has_parameters_cell
    ? trans.__('The parameters cell assigns nothing.')
    : trans.__('None. Tag a cell of the notebook “parameters” to change its values here.');
}

/** A text the user gave; what is left empty is for the server to choose. */
function given(name: 'experiment' | 'display_name', model: FormModel): Record<string, string> {
  const text = (model.texts.get(name) ?? '').trim();
  return text === '' ? {} : { [name]: text };
}

async function showError(context: IAmlContext, thrown: unknown): Promise<void> {
  const { trans } = context;
  const dialog = new Dialog({
    title: trans.__('This notebook cannot be submitted'),
    body: new AmlWidget(context, <ErrorMessage error={asApiError(thrown)} />),
    buttons: [Dialog.okButton()]
  });
  await dialog.launch();
}
