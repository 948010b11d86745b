import { UseSignal } from '@jupyterlab/apputils';
import { useId, type ReactElement } from 'react';

import { visible } from '../text/ansi';
import { useAml } from '../ui/context';
import { ErrorMessage, Note } from '../ui/messages';
import type { IField } from './fields';
import type { FormModel } from './formModel';
import { SelectRow, TextRow } from './formRow';

/** What the form asks for besides the parameters: a plain text, or one of a few options. */
export interface IInput {
  name: string;
  label: string;
  placeholder?: string;
  options?: { value: string; label: string }[];
}

export interface IParameterFormProps {
  model: FormModel;
  inputs: IInput[];
  /** Said in place of the parameters where there are none. */
  emptyNote: string;
}

/** A form with a few texts and one typed input a parameter. */
export function ParameterForm(props: IParameterFormProps): ReactElement {
  return <UseSignal signal={props.model.changed}>{() => <FormBody {...props} />}</UseSignal>;
}

function FormBody({ model, inputs, emptyNote }: IParameterFormProps): ReactElement {
  const { trans } = useAml();
  return (
    <div className="jp-aml-form" aria-busy={model.busy}>
      {inputs.map(input => (
        <InputRow key={input.name} input={input} model={model} />
      ))}
      <fieldset disabled={model.busy}>
        <legend>{trans.__('Parameters')}</legend>
        {model.fields.length === 0 && <Note>{emptyNote}</Note>}
        {model.fields.map(field => (
          <ParameterRow
            key={field.name}
            field={field}
            problem={model.problems.get(field.name)}
            onChange={text => model.setField(field.name, text)}
          />
        ))}
      </fieldset>
      {model.busy && <p role="status">{trans.__('Submitting…')}</p>}
      {model.error && <ErrorMessage error={model.error} />}
    </div>
  );
}

function InputRow({ input, model }: { input: IInput; model: FormModel }): ReactElement {
  const { name, label, placeholder, options } = input;
  if (options === undefined) {
    return <TextRow model={model} name={name} label={label} placeholder={placeholder} />;
  }
  return (
    <SelectRow model={model} name={name} label={label}>
      {options.map(option => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </SelectRow>
  );
}

function ParameterRow(props: {
  field: IField;
  problem: string | undefined;
  onChange: (text: string) => void;
}): ReactElement {
  const { field, problem } = props;
  const id = useId();
  return (
    <div className="jp-aml-form-row" data-changed={field.text !== field.initial}>
      <label htmlFor={id}>
        <code>{visible(field.name)}</code>
        <span className="jp-aml-form-kind">{field.kind}</span>
      </label>
      <ParameterInput {...props} id={id} describedBy={`${id}-note`} />
      <div id={`${id}-note`} className="jp-aml-form-note">
        {problem && <span className="jp-aml-form-problem">{problem}</span>}
        {field.help && <span>{visible(field.help)}</span>}
      </div>
    </div>
  );
}

function ParameterInput(props: {
  field: IField;
  problem: string | undefined;
  onChange: (text: string) => void;
  id: string;
  describedBy: string;
}): ReactElement {
  const { field, problem, onChange, id, describedBy } = props;
  if (field.kind === 'bool') {
    return (
      <input
        id={id}
        type="checkbox"
        checked={field.text === 'true'}
        aria-describedby={describedBy}
        onChange={event => onChange(event.target.checked ? 'true' : 'false')}
      />
    );
  }
  const isNumber = field.kind === 'int' || field.kind === 'float';
  return (
    <input
      id={id}
      className={`jp-mod-styled ${isNumber || field.kind === 'json' ? 'jp-aml-mono' : ''}`}
      inputMode={field.kind === 'int' ? 'numeric' : field.kind === 'float' ? 'decimal' : 'text'}
      value={field.text}
      placeholder={visible(field.source)}
      spellCheck={false}
      autoComplete="off"
      aria-invalid={problem !== undefined}
      aria-describedby={describedBy}
      onChange={event => onChange(event.target.value)}
    />
  );
}
