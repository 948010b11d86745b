import { Dialog, UseSignal, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactElement } from 'react';

import type { ICompute } from '../api/types';
import { FormDialog } from '../forms/formDialog';
import { FormModel } from '../forms/formModel';
import { AmlWidget } from '../ui/amlWidget';
import { useAml, type IAmlContext } from '../ui/context';
import { ErrorMessage } from '../ui/messages';
import type { ComputeList } from './computeList';

/** Ask, and delete; with runs on it, what deleting does to them is said first. */
export async function deleteWithDialog(
  context: IAmlContext,
  list: ComputeList,
  compute: ICompute
): Promise<void> {
  const { trans, client } = context;
  const { name } = compute;
  const isAttached = compute.kind === 'ssh';
  const endLabel = isAttached ? trans.__('Detach') : trans.__('Delete');
  const forceLabel = isAttached
    ? trans.__('Cancel runs and detach')
    : trans.__('Cancel runs and delete');
  const model = new FormModel([]);
  const dialog = new FormDialog({
    title: isAttached ? trans.__('Detach %1?', name) : trans.__('Delete %1?', name),
    body: new AmlWidget(context, <Question list={list} compute={compute} model={model} />),
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({
        label: runsOn(compute) > 0 ? forceLabel : endLabel
      })
    ],
    defaultButton: 0,
    submit: () =>
      model.attempt(async () => {
        const force = runsOn(list.find(name) ?? compute) > 0;
        list.take(await client.computes.delete(name, force));
      })
  });
  await dialog.launch();
  void list.refresh();
}

/** Do it at once where no run is on the compute; else only when the user agrees that they are canceled. */
export async function whileEmpty(
  { trans }: IAmlContext,
  compute: ICompute,
  title: string,
  action: () => Promise<void>
): Promise<void> {
  const count = compute.active_runs?.length ?? 0;
  if (count > 0) {
    const answer = await showDialog({
      title: `${title} ${compute.name}?`,
      body: trans._n(
        '%1 run is on it and will be canceled.',
        '%1 runs are on it and will be canceled.',
        count
      ),
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: title })],
      defaultButton: 0
    });
    if (!answer.button.accept) {
      return;
    }
  }
  await action();
}

/** Runs that are on it or wait for it. */
function runsOn(compute: ICompute): number {
  return (compute.active_runs?.length ?? 0) + (compute.queued_runs ?? 0);
}

/** Kept current while it is asked: runs may come and end meanwhile. */
function Question(props: { list: ComputeList; compute: ICompute; model: FormModel }): ReactElement {
  const { list, compute, model } = props;
  const { trans } = useAml();
  return (
    <UseSignal signal={list.changed}>
      {() => (
        <UseSignal signal={model.changed}>
          {() => (
            <>
              <p>{consequence(list.find(compute.name) ?? compute, trans)}</p>
              {model.error && <ErrorMessage error={model.error} />}
            </>
          )}
        </UseSignal>
      )}
    </UseSignal>
  );
}

function consequence(compute: ICompute, trans: TranslationBundle): string {
  const active = compute.active_runs?.length ?? 0;
  const queued = compute.queued_runs ?? 0;
  if (active + queued > 0) {
    const words = [
      active > 0 ? trans._n('%1 run is on it', '%1 runs are on it', active) : '',
      queued > 0 ? trans._n('%1 run waits for it', '%1 runs wait for it', queued) : ''
    ].filter(Boolean);
    if (compute.kind === 'ssh') {
      return trans.__('%1. Detaching it now cancels them, as --force does.', words.join(', '));
    }
    return trans.__('%1. Deleting it now cancels them, as --force does.', words.join(', '));
  }
  if (compute.kind === 'ssh') {
    return trans.__('No run is on it or waits for it. The machine itself stays as it is.');
  }
  return compute.kind === 'instance'
    ? trans.__('No run is on it. What is open on it, such as kernels, ends.')
    : trans.__('No run is on it or waits for it.');
}
