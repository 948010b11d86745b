import { UseSignal } from '@jupyterlab/apputils';
import { refreshIcon } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import { computeIcon } from '../ui/icons';
import { useAml } from '../ui/context';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { RunTree } from './runTree';
import type { SidebarModel } from './sidebarModel';

const FIRST_USE = '%load_ext jupyter_aml\n\n%%aml submit\nprint("hello")';

/** The sidebar: a filter, and below it the tree of experiments and runs. */
export function SidebarView({ model }: { model: SidebarModel }): ReactElement {
  return <UseSignal signal={model.changed}>{() => <Content model={model} />}</UseSignal>;
}

function Content({ model }: { model: SidebarModel }): ReactElement {
  const { trans, openCompute } = useAml();
  const hint = trans.__('Filter by name, or by a condition such as metrics.rmse < 0.5');
  return (
    <>
      <div className="jp-aml-sidebar-head">
        <h2>{trans.__('Experiments')}</h2>
        <span className="jp-aml-spacer" />
        <button
          type="button"
          className="jp-aml-icon-button"
          aria-label={trans.__('Compute')}
          title={trans.__('Compute')}
          onClick={() => openCompute()}
        >
          <computeIcon.react tag="span" elementSize="normal" />
        </button>
        <button
          type="button"
          className="jp-aml-icon-button"
          aria-label={trans.__('Refresh')}
          title={trans.__('Refresh')}
          onClick={() => void model.refresh()}
        >
          <refreshIcon.react tag="span" elementSize="normal" />
        </button>
      </div>
      <input
        type="search"
        className="jp-mod-styled jp-aml-filter"
        placeholder={trans.__('Filter runs')}
        aria-label={hint}
        title={hint}
        value={model.filter}
        spellCheck={false}
        onChange={event => model.setFilter(event.target.value)}
      />
      {model.filterError && <ErrorMessage error={model.filterError} />}
      {model.isEmpty && model.filter === '' ? <Welcome /> : <RunTree model={model} />}
      {!model.isReady && model.rows.length === 0 && <Loading />}
    </>
  );
}

function Welcome(): ReactElement {
  const { trans } = useAml();
  return (
    <div className="jp-aml-welcome">
      <Note>{trans.__('No runs yet. Start one from a notebook:')}</Note>
      <pre>{FIRST_USE}</pre>
      <Note>{trans.__('or press “Submit as run” in a notebook’s toolbar.')}</Note>
    </div>
  );
}
