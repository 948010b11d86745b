import { UseSignal } from '@jupyterlab/apputils';
import { useEffect, useId, useRef, type ReactElement } from 'react';

import type { FormModel } from '../forms/formModel';
import { TextRow } from '../forms/formRow';
import { useAml } from '../ui/context';
import { ErrorMessage } from '../ui/messages';
import { MACHINE_TEXTS, type Attachment } from './attachment';

const EXAMPLE = { name: 'gpu-box', python: 'python3' };
const CHECK = 'ssh-keygen -l -f /etc/ssh/ssh_host_*_key.pub';

/** The form for a machine to attach. It tells what is wrong while it is filled in. */
export function AttachForm({ attachment }: { attachment: Attachment }): ReactElement {
  return (
    <UseSignal signal={attachment.form.changed}>{() => <Body attachment={attachment} />}</UseSignal>
  );
}

function Body({ attachment }: { attachment: Attachment }): ReactElement {
  const { trans } = useAml();
  const { form, shownKey } = attachment;
  const { problems } = attachment.read();
  const row = (name: string): { model: FormModel; name: string; problem?: string } => {
    const isTouched = (form.texts.get(name) ?? '') !== (MACHINE_TEXTS.get(name) ?? '');
    const isTold = isTouched || form.problems.has(name);
    return { model: form, name, problem: isTold ? problems.get(name) : undefined };
  };
  return (
    <div className="jp-aml-form" aria-busy={form.busy}>
      <TextRow
        {...row('name')}
        label={trans.__('Name')}
        placeholder={EXAMPLE.name}
        help={trans.__('3 to 24 letters, digits and dashes, a letter first')}
      />
      <TextRow
        {...row('host')}
        label={trans.__('Host')}
        help={trans.__('a name, an address, or a Host of your ssh configuration')}
      />
      <TextRow {...row('port')} label={trans.__('Port')} isNumber placeholder="22" />
      <TextRow
        {...row('username')}
        label={trans.__('User')}
        placeholder={trans.__('as ssh says')}
      />
      <TextRow
        {...row('private_key')}
        label={trans.__('Private key')}
        placeholder={trans.__('those that ssh finds')}
        help={trans.__(
          'a file where the workspace runs, such as ~/.ssh/id_ed25519 written in full'
        )}
      />
      <TextRow
        {...row('password')}
        label={trans.__('Password')}
        isSecret
        help={trans.__(
          "the account's, or the private key's; sent once the host's key is confirmed"
        )}
      />
      <TextRow {...row('python')} label={trans.__('Python')} placeholder={EXAMPLE.python} />
      <TextRow {...row('max_runs')} label={trans.__('Runs at once')} isNumber />
      {shownKey !== null && <HostKey attachment={attachment} shownKey={shownKey} />}
      {form.busy && (
        <p role="status">
          {shownKey === null
            ? trans.__('Asking for its key…')
            : trans.__('Looking at the machine…')}
        </p>
      )}
      {form.error && <ErrorMessage error={form.error} />}
    </div>
  );
}

/** The question whether the key that the host shows is its own. */
function HostKey(props: { attachment: Attachment; shownKey: string }): ReactElement {
  const { trans } = useAml();
  const { attachment, shownKey } = props;
  const { form, isConfirmed } = attachment;
  const box = useRef<HTMLFieldSetElement>(null);
  const id = useId();
  const problem = isConfirmed ? undefined : form.problems.get('confirmed');
  // It stands at the end of a long form.
  useEffect(() => void box.current?.scrollIntoView?.({ block: 'nearest' }), [shownKey]);
  return (
    <fieldset ref={box} className="jp-aml-host-key" disabled={form.busy}>
      <legend>{trans.__("Is this the machine's key?")}</legend>
      <p>
        <code>{shownKey}</code>
      </p>
      <p className="jp-aml-quiet">
        {trans.__('To check it, run this on the machine itself, or ask who keeps it:')}{' '}
        <code>{CHECK}</code>
      </p>
      <label htmlFor={id}>
        <input
          id={id}
          type="checkbox"
          checked={isConfirmed}
          aria-invalid={problem !== undefined}
          onChange={event => attachment.confirm(event.target.checked)}
        />{' '}
        {trans.__('Yes, this is its key')}
      </label>
      {problem && <span className="jp-aml-form-problem">{problem}</span>}
    </fieldset>
  );
}
