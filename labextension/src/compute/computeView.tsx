import { UseSignal } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';
import { useState, type ReactElement } from 'react';

import type { ICompute } from '../api/types';
import { Tabs, type ITab } from '../document/tabs';
import { useMay } from '../ui/access';
import { useAml } from '../ui/context';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { Name } from '../ui/name';
import { ComputeButtons } from './actions';
import { attachWithDialog } from './attachDialog';
import type { ComputeList } from './computeList';
import { ComputeTable } from './computeTable';
import { createWithDialog } from './createDialog';
import { Details } from './details';
import { ComputePill } from './states';

type Kind = 'instance' | 'cluster' | 'ssh';

/** What the page shows: one compute by its name, or the lists. */
export interface IShown {
  readonly name: string | null;
  readonly changed: ISignal<IShown, void>;
  show(name: string | null): void;
}

/** The workspace's machines: lists by kind, or all about one. */
export function ComputeView(props: { list: ComputeList; shown: IShown }): ReactElement {
  const { list, shown } = props;
  return (
    <UseSignal signal={list.changed}>
      {() => <UseSignal signal={shown.changed}>{() => <Content {...props} />}</UseSignal>}
    </UseSignal>
  );
}

function Content({ list, shown }: { list: ComputeList; shown: IShown }): ReactElement {
  const [kind, setKind] = useState<Kind>('instance');
  if (list.computes === null) {
    return list.error === null ? (
      <Loading />
    ) : (
      <ErrorMessage error={list.error} onRetry={() => void list.refresh()} />
    );
  }
  return (
    <div className="jp-aml-document jp-aml-compute">
      {shown.name === null ? (
        <Lists list={list} shown={shown} kind={kind} onKind={setKind} />
      ) : (
        <One list={list} shown={shown} name={shown.name} />
      )}
    </div>
  );
}

/** What went wrong, above whatever is shown. */
function Problems({ list }: { list: ComputeList }): ReactElement {
  const { trans } = useAml();
  return (
    <>
      {list.error && <ErrorMessage error={list.error} />}
      {list.refusal && (
        <div className="jp-aml-refusal">
          <ErrorMessage error={list.refusal} />
          <button type="button" className="jp-aml-button" onClick={() => list.forgetRefusal()}>
            {trans.__('Dismiss')}
          </button>
        </div>
      )}
    </>
  );
}

function Lists(props: {
  list: ComputeList;
  shown: IShown;
  kind: Kind;
  onKind: (kind: Kind) => void;
}): ReactElement {
  const { trans } = useAml();
  const { list, shown, kind, onKind } = props;
  const of = (wanted: Kind): ICompute[] =>
    (list.computes ?? []).filter(compute => compute.kind === wanted);
  const tab = (id: Kind, label: string): ITab<Kind> => {
    const count = of(id).length;
    return { id, label: count > 0 ? `${label} (${count})` : label };
  };
  const tabs = [
    tab('instance', trans.__('Instances')),
    tab('cluster', trans.__('Clusters')),
    tab('ssh', trans.__('Attached'))
  ];
  const computes = of(kind);
  return (
    <>
      <header className="jp-aml-header">
        <h2>{trans.__('Compute')}</h2>
        <Problems list={list} />
      </header>
      <Tabs label={trans.__('Compute')} tabs={tabs} current={kind} onChange={onKind}>
        <Introduction kind={kind} list={list} isEmpty={computes.length === 0} />
        {computes.length > 0 && (
          <ComputeTable list={list} computes={computes} onOpen={name => shown.show(name)} />
        )}
      </Tabs>
    </>
  );
}

/** What this kind is good for, and the button that makes one. */
function Introduction(props: { kind: Kind; list: ComputeList; isEmpty: boolean }): ReactElement {
  const context = useAml();
  const { trans } = context;
  const { kind, list, isEmpty } = props;
  const mayCreate = useMay('changeCompute');
  const create = (): void =>
    void (kind === 'ssh' ? attachWithDialog(context, list) : createWithDialog(context, list, kind));
  const [label, about] = introductions(trans)[kind];
  return (
    <div className="jp-aml-bar">
      {mayCreate && (
        <button type="button" className="jp-aml-button jp-aml-primary" onClick={create}>
          {label}
        </button>
      )}
      <span className="jp-aml-note">
        {about}
        {isEmpty && ` ${trans.__('There is none yet.')}`}
      </span>
    </div>
  );
}

/** Of each kind what its button says, and what it is. */
function introductions(trans: TranslationBundle): Record<Kind, [string, string]> {
  return {
    instance: [
      trans.__('New instance'),
      trans.__('A machine of your own: for notebooks and jobs, on until it is stopped.')
    ],
    cluster: [
      trans.__('New cluster'),
      trans.__('Machines for jobs: they come when runs are queued and go when idle.')
    ],
    ssh: [
      trans.__('Attach a machine'),
      trans.__('A machine that is there already, reached by SSH: for jobs and notebooks.')
    ]
  };
}

function One(props: { list: ComputeList; shown: IShown; name: string }): ReactElement {
  const { trans } = useAml();
  const { list, shown, name } = props;
  const compute = list.find(name);
  return (
    <>
      <header className="jp-aml-header">
        <div className="jp-aml-header-line">
          <button type="button" className="jp-aml-link" onClick={() => shown.show(null)}>
            {trans.__('Compute')}
          </button>
          <span className="jp-aml-quiet" aria-hidden="true">
            ›
          </span>
          <h2>
            <Name text={name} />
          </h2>
          {compute && <ComputePill compute={compute} />}
          <span className="jp-aml-spacer" />
          {compute && <ComputeButtons list={list} compute={compute} />}
        </div>
        <Problems list={list} />
      </header>
      <div className="jp-aml-tabpanel">
        {compute ? (
          <Details list={list} compute={compute} />
        ) : (
          <Note>{trans.__('There is no such compute (any more).')}</Note>
        )}
      </div>
    </>
  );
}
