import { Dialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';

import { asApiError } from '../api/errors';
import type { ICompute, IEnvironment, INotebookInspection, IRun } from '../api/types';
import { fieldsFromNotebook, readFields } from '../forms/fields';
import { FormDialog } from '../forms/formDialog';
import { FormModel } from '../forms/formModel';
import { ParameterForm, type IInput } from '../forms/parameterForm';
import { visible } from '../text/ansi';
import { stateLabel } from '../compute/states';
import { sizeWords } from '../compute/words';
import { AmlWidget } from '../ui/amlWidget';
import type { IAmlContext } from '../ui/context';
import { ErrorMessage } from '../ui/messages';

export interface INotebookSource {
  /** The path on the server's contents API, without a drive. */
  path: string;
  /** The notebook as nbformat's JSON. */
  notebook: Record<string, unknown>;
}

/** Ask for parameters and names, submit, and give the new run; null when the user cancels. */
export async function submitWithDialog(
  context: IAmlContext,
  source: INotebookSource
): Promise<IRun | null> {
  let inspection: INotebookInspection;
  let computes: ICompute[];
  let environments: IEnvironment[];
  try {
    [inspection, computes, environments] = await Promise.all([
      context.client.inspectNotebook(source.notebook),
      targets(context),
      environmentsOf(context)
    ]);
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
        inputs={inputs(context, computes, environments)}
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
          ...given('display_name', model),
          ...given('compute', model),
          ...given('environment', model)
        });
      });
    }
  });
  await dialog.launch();
  return created;
}

/** The computes a run may be sent to besides this machine; none where they cannot be told. */
async function targets({ client }: IAmlContext): Promise<ICompute[]> {
  try {
    const computes = await client.computes.list();
    return computes.filter(({ state }) => state !== 'Deleting' && state !== 'CreateFailed');
  } catch {
    return []; // This machine is always there.
  }
}

/** The environments a run may have; none where they cannot be told. */
async function environmentsOf({ client }: IAmlContext): Promise<IEnvironment[]> {
  try {
    return await client.environments();
  } catch {
    return []; // The service's own Python is always there.
  }
}

function inputs(
  { trans }: IAmlContext,
  computes: ICompute[],
  environments: IEnvironment[]
): IInput[] {
  const compute: IInput = {
    name: 'compute',
    label: trans.__('Compute'),
    options: [
      { value: '', label: trans.__('local (this machine)') },
      ...computes.map(target => ({ value: target.name, label: targetLabel(target, trans) }))
    ]
  };
  const environment: IInput = {
    name: 'environment',
    label: trans.__('Environment'),
    options: [
      { value: '', label: trans.__("as here (the workspace's own Python)") },
      ...environments.map(found => ({
        value: referenceOf(found),
        label: environmentLabel(found, trans)
      }))
    ]
  };
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
    },
    ...(computes.length > 0 ? [compute] : []),
    ...(environments.length > 0 ? [environment] : [])
  ];
}

function emptyNote({ trans }: IAmlContext, inspection: INotebookInspection): string {
  return inspection.has_parameters_cell
    ? trans.__('The parameters cell assigns nothing.')
    : trans.__('None. Tag a cell of the notebook “parameters” to change its values here.');
}

function targetLabel(target: ICompute, trans: IAmlContext['trans']): string {
  const words = target.size === null ? '' : sizeWords(target.size, trans);
  const attached = target.kind === 'ssh' ? trans.__('attached') : '';
  const about = [attached, words, target.kind === 'cluster' ? '' : stateLabel(target.state, trans)];
  return `${visible(target.name)} (${about.filter(Boolean).join(', ')})`;
}

/** This very version of the user's own; those that come with us have one only. */
function referenceOf({ name, version, curated }: IEnvironment): string {
  return curated ? name : `${name}:${version}`;
}

function environmentLabel(environment: IEnvironment, trans: IAmlContext['trans']): string {
  const reference = visible(referenceOf(environment));
  return environment.state === 'not built'
    ? trans.__('%1 (built with its first run)', reference)
    : reference;
}

/** A text the user gave; what is left empty is for the server to choose. */
function given(
  name: 'experiment' | 'display_name' | 'compute' | 'environment',
  model: FormModel
): Record<string, string> {
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
