import type { ReactElement } from 'react';

import type { ICompute } from '../api/types';
import { useMay } from '../ui/access';
import { useAml } from '../ui/context';
import type { ComputeList } from './computeList';
import { deleteWithDialog, whileEmpty } from './deleteDialog';
import { editNodesWithDialog } from './nodesDialog';
import { canEnter, canKeepOn, canRestart, canStart, canStop } from './states';

/** The buttons that fit the compute's kind and state, and what this user may do. */
export function ComputeButtons(props: { list: ComputeList; compute: ICompute }): ReactElement {
  const context = useAml();
  const { trans, client, hasTerminals, openTerminal } = context;
  const { list, compute } = props;
  const mayRun = useMay('runCompute');
  const mayChange = useMay('changeCompute');
  const { name } = compute;
  const { computes } = client;
  const endLabel = compute.kind === 'ssh' ? trans.__('Detach') : trans.__('Delete');
  const isOver = compute.state === 'Deleting';
  const isBusy = list.isBusy(name);
  const button = (label: string, onClick: () => void): ReactElement => (
    <button
      type="button"
      className="jp-aml-button"
      aria-label={`${label} ${name}`}
      disabled={isBusy}
      onClick={onClick}
    >
      {label}
    </button>
  );
  const ending = (title: string, action: () => Promise<ICompute>): void =>
    void whileEmpty(context, compute, title, () => list.act(name, action));
  const keepOn = async (): Promise<ICompute> => {
    await computes.keepOn(name);
    return computes.get(name);
  };
  return (
    <span className="jp-aml-actions">
      {mayRun &&
        canEnter(compute) &&
        hasTerminals() &&
        button(trans.__('Terminal'), () => openTerminal(name))}
      {mayRun &&
        canKeepOn(compute) &&
        button(trans.__('Keep on'), () => void list.act(name, keepOn))}
      {mayRun &&
        canStart(compute) &&
        button(trans.__('Start'), () => void list.act(name, () => computes.start(name)))}
      {mayRun &&
        canStop(compute) &&
        button(trans.__('Stop'), () => ending(trans.__('Stop'), () => computes.stop(name)))}
      {mayRun &&
        canRestart(compute) &&
        button(trans.__('Restart'), () =>
          ending(trans.__('Restart'), () => computes.restart(name))
        )}
      {mayChange &&
        !isOver &&
        compute.kind === 'cluster' &&
        button(trans.__('Edit'), () => void editNodesWithDialog(context, list, compute))}
      {mayChange &&
        !isOver &&
        button(endLabel, () => void deleteWithDialog(context, list, compute))}
    </span>
  );
}
