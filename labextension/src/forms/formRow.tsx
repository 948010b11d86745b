import { useId, type ReactElement, type ReactNode } from 'react';

import type { FormModel } from './formModel';

interface IRowProps {
  model: FormModel;
  name: string;
  label: string;
  /** What is wrong with it, to be shown now. */
  problem?: string;
  help?: string;
}

/** A text a form asks for, with what is wrong with it below. */
export function TextRow(
  props: IRowProps & { placeholder?: string; isNumber?: boolean; isSecret?: boolean }
): ReactElement {
  const { model, name, problem, placeholder, isNumber, isSecret } = props;
  return (
    <Row {...props}>
      {(id, note) => (
        <input
          id={id}
          type={isSecret ? 'password' : 'text'}
          className="jp-mod-styled"
          value={model.texts.get(name) ?? ''}
          placeholder={placeholder}
          inputMode={isNumber ? 'decimal' : 'text'}
          spellCheck={false}
          autoComplete={isSecret ? 'new-password' : 'off'}
          disabled={model.busy}
          aria-invalid={problem !== undefined}
          aria-describedby={note}
          onChange={event => model.setText(name, event.target.value)}
        />
      )}
    </Row>
  );
}

/** A choice; `children` are its options. */
export function SelectRow(props: IRowProps & { children: ReactNode }): ReactElement {
  const { model, name, children } = props;
  return (
    <Row {...props}>
      {(id, note) => (
        <select
          id={id}
          className="jp-mod-styled"
          value={model.texts.get(name) ?? ''}
          disabled={model.busy}
          aria-describedby={note}
          onChange={event => model.setText(name, event.target.value)}
        >
          {children}
        </select>
      )}
    </Row>
  );
}

function Row(
  props: Omit<IRowProps, 'model'> & { children: (id: string, note: string) => ReactNode }
): ReactElement {
  const { label, problem, help, children } = props;
  const id = useId();
  const note = `${id}-note`;
  return (
    <div className="jp-aml-form-row">
      <label htmlFor={id}>{label}</label>
      {children(id, note)}
      <div id={note} className="jp-aml-form-note">
        {problem ? <span className="jp-aml-form-problem">{problem}</span> : help}
      </div>
    </div>
  );
}
