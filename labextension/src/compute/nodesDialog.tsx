import { Dialog, UseSignal } from '@jupyterlab/apputils';
import type { ReactElement } from 'react';

import type { ICompute } from '../api/types';
import { FormDialog } from '../forms/formDialog';
import { FormModel } from '../forms/formModel';
import { AmlWidget } from '../ui/amlWidget';
import { useAml, type IAmlContext } from '../ui/context';
import { ErrorMessage } from '../ui/messages';
import type { ComputeList } from './computeList';
import { NodeRows } from './createForm';
import { readNodes } from './newCompute';

/** Change how many nodes a cluster may have, and when they go. */
export async function editNodesWithDialog(
  context: IAmlContext,
  list: ComputeList,
  compute: ICompute
): Promise<void> {
  const { trans, client } = context;
  const model = new FormModel(
    [],
    new Map([
      ['min_nodes', String(compute.min_nodes ?? 0)],
      ['max_nodes', String(compute.max_nodes ?? 1)],
      ['idle_seconds', String(compute.idle_seconds ?? 0)]
    ])
  );
  const dialog = new FormDialog({
    title: trans.__('Nodes of %1', compute.name),
    body: new AmlWidget(context, <NodesForm model={model} />),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Save') })],
    submit: async () => {
      const { nodes, problems } = readNodes(model.texts, trans);
      if (problems.size > 0) {
        return false; // They are told beside the inputs already.
      }
      return model.attempt(async () =>
        list.take(await client.computes.update(compute.name, nodes))
      );
    }
  });
  await dialog.launch();
}

function NodesForm({ model }: { model: FormModel }): ReactElement {
  const { trans } = useAml();
  return (
    <UseSignal signal={model.changed}>
      {() => {
        const { problems } = readNodes(model.texts, trans);
        return (
          <div className="jp-aml-form" aria-busy={model.busy}>
            <NodeRows row={name => ({ model, name, problem: problems.get(name) })} />
            {model.error && <ErrorMessage error={model.error} />}
          </div>
        );
      }}
    </UseSignal>
  );
}
