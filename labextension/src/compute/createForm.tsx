import { UseSignal } from '@jupyterlab/apputils';
import type { ReactElement } from 'react';

import type { ISize } from '../api/types';
import type { FormModel } from '../forms/formModel';
import { SelectRow, TextRow } from '../forms/formRow';
import { useAml } from '../ui/context';
import { ErrorMessage } from '../ui/messages';
import type { ComputeList } from './computeList';
import { CUSTOM, initialTexts, readNewCompute, type NewKind } from './newCompute';
import { priceWords, sizeWords } from './words';

const EXAMPLES: Record<NewKind, string> = { instance: 'ci-ada', cluster: 'cpu-cluster' };

export interface ICreateFormProps {
  kind: NewKind;
  model: FormModel;
  sizes: readonly ISize[];
  list: ComputeList;
}

/** The form for a new instance or cluster. It tells what is wrong while it is filled in. */
export function CreateForm(props: ICreateFormProps): ReactElement {
  return (
    <UseSignal signal={props.list.changed}>
      {() => <UseSignal signal={props.model.changed}>{() => <Body {...props} />}</UseSignal>}
    </UseSignal>
  );
}

function Body(props: ICreateFormProps): ReactElement {
  const { trans } = useAml();
  const { kind, model, sizes, list } = props;
  const problemOf = useProblems(props);
  const row = (name: string): { model: FormModel; name: string; problem?: string } => ({
    model,
    name,
    problem: problemOf(name)
  });
  return (
    <div className="jp-aml-form" aria-busy={model.busy}>
      <TextRow
        {...row('name')}
        label={trans.__('Name')}
        placeholder={EXAMPLES[kind]}
        help={trans.__('3 to 24 letters, digits and dashes, a letter first')}
      />
      <SizeRows row={row} model={model} sizes={sizes} />
      {kind === 'instance' ? (
        <TextRow
          {...row('idle_minutes')}
          label={trans.__('Stop when idle for')}
          isNumber
          placeholder={trans.__('never')}
          help={trans.__('minutes with no busy kernel and no job; empty for never')}
        />
      ) : (
        <>
          <NodeRows row={row} />
          <SelectRow
            {...row('priority')}
            label={trans.__('Priority')}
            help={
              model.texts.get('priority') === 'low_priority'
                ? trans.__(
                    'A fifth of the price; runs make room for dedicated nodes and start anew.'
                  )
                : undefined
            }
          >
            <option value="dedicated">{trans.__('Dedicated')}</option>
            <option value="low_priority">{trans.__('Low priority')}</option>
          </SelectRow>
        </>
      )}
      <TextRow {...row('description')} label={trans.__('Description')} />
      {model.busy && <p role="status">{trans.__('Creating…')}</p>}
      {model.error && <ErrorMessage error={model.error} />}
      {list.error && !model.error && <ErrorMessage error={list.error} />}
    </div>
  );
}

type RowOf = (name: string) => { model: FormModel; name: string; problem?: string };

/** How many nodes a cluster may have, and when they go. */
export function NodeRows({ row }: { row: RowOf }): ReactElement {
  const { trans } = useAml();
  return (
    <>
      <TextRow
        {...row('min_nodes')}
        label={trans.__('Nodes at least')}
        isNumber
        help={trans.__('0: it costs nothing while nothing runs')}
      />
      <TextRow {...row('max_nodes')} label={trans.__('Nodes at most')} isNumber />
      <TextRow
        {...row('idle_seconds')}
        label={trans.__('Give back after')}
        isNumber
        help={trans.__('seconds without a job')}
      />
    </>
  );
}

function SizeRows(props: { row: RowOf; model: FormModel; sizes: readonly ISize[] }): ReactElement {
  const { trans } = useAml();
  const { row, model, sizes } = props;
  const fitting = sizes.filter(size => size.fits);
  const tooLarge = sizes.filter(size => !size.fits);
  return (
    <>
      <SelectRow {...row('size')} label={trans.__('Size')}>
        <option value={CUSTOM}>{trans.__('Cores and memory of your own choice')}</option>
        <optgroup label={trans.__('Fit this machine')}>
          {fitting.map(size => (
            <SizeOption key={size.name} size={size} />
          ))}
        </optgroup>
        {tooLarge.length > 0 && (
          <optgroup label={trans.__('More than this machine has')}>
            {tooLarge.map(size => (
              <SizeOption key={size.name} size={size} />
            ))}
          </optgroup>
        )}
      </SelectRow>
      {model.texts.get('size') === CUSTOM && (
        <>
          <TextRow {...row('cpus')} label={trans.__('Cores')} isNumber />
          <TextRow {...row('memory')} label={trans.__('Memory')} />
        </>
      )}
    </>
  );
}

function SizeOption({ size }: { size: ISize }): ReactElement {
  const { trans } = useAml();
  const text = `${size.name}: ${sizeWords(size, trans)}, ${priceWords(size, trans)}`;
  return (
    <option value={size.name} disabled={!size.fits}>
      {text}
    </option>
  );
}

/** What is wrong with an input, once it was touched or the form was sent. */
function useProblems(props: ICreateFormProps): (name: string) => string | undefined {
  const { trans } = useAml();
  const { kind, model, sizes, list } = props;
  const initial = initialTexts(kind, sizes);
  const taken = (list.computes ?? []).map(compute => compute.name);
  const { problems } = readNewCompute(kind, model.texts, taken, trans);
  return name => {
    const isTouched = (model.texts.get(name) ?? '') !== (initial.get(name) ?? '');
    return isTouched || model.problems.has(name) ? problems.get(name) : undefined;
  };
}
