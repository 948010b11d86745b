import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { Page } from '../../testing/render';
import { attachWithDialog } from '../attachDialog';
import { ComputeList } from '../computeList';
import { readMachine } from '../newMachine';

const HOUR = 3_600_000;
const KEY = `SHA256:${'a'.repeat(43)}`;
const UNCONFIRMED = {
  status: 409,
  code: 'conflict',
  message: `ada@gpu:22 shows the ED25519 host key ${KEY}, which nobody has confirmed.`
};
let server: FakeServer;

beforeEach(() => {
  document.body.textContent = '';
  server = new FakeServer();
});

function open(): { list: ComputeList; closed: Promise<void>; page: Page } {
  const page = new Page(server, HOUR);
  const list = new ComputeList({ client: page.context.client.computes, soon: HOUR, later: HOUR });
  onTestFinished(() => list.dispose());
  return { list, closed: attachWithDialog(page.context, list), page };
}

async function fill(texts: Record<string, string>): Promise<void> {
  for (const [label, text] of Object.entries(texts)) {
    const input = await screen.findByLabelText(label);
    await userEvent.clear(input);
    await userEvent.type(input, text);
  }
}

async function press(name: string): Promise<void> {
  const dialog = await screen.findByRole('dialog');
  await userEvent.click(within(dialog).getByRole('button', { name }));
}

function bodies(): unknown[] {
  return server.requests.filter(({ path }) => path === 'computes/attach').map(({ body }) => body);
}

test('a machine is attached once its key is confirmed, and no password leaves before', async () => {
  server.failures.set('computes/attach', UNCONFIRMED);
  const { list, closed } = open();
  await fill({ Name: 'gpu-box', Host: 'gpu', Port: '2222', User: 'ada', Password: ' s3cret ' });
  await press('Attach');
  await screen.findByText(KEY);
  expect(screen.queryByRole('alert')).toBeNull();
  expect(bodies()).toEqual([
    { name: 'gpu-box', host: 'gpu', port: 2222, username: 'ada', max_runs: 1 }
  ]);

  await press('Attach');
  await screen.findByText('Say first that this is its key.');
  expect(bodies()).toHaveLength(1);

  server.failures.clear();
  await userEvent.click(screen.getByLabelText('Yes, this is its key'));
  await press('Attach');
  await closed;
  expect(bodies()[1]).toMatchObject({ host_key: KEY, password: ' s3cret ' });
  expect(list.find('gpu-box')?.kind).toBe('ssh');
});

test('what is missing on the machine is said, and the password is not kept', async () => {
  server.failures.set('computes/attach', UNCONFIRMED);
  const { closed } = open();
  await fill({ Name: 'gpu-box', Host: 'gpu', Password: 's3cret' });
  await press('Attach');
  await userEvent.click(await screen.findByLabelText('Yes, this is its key'));
  server.failures.set('computes/attach', {
    status: 422,
    code: 'invalid',
    message: 'gpu cannot run jobs.',
    hint: 'Set it right there, or name another Python.'
  });
  await press('Attach');
  await screen.findByText('gpu cannot run jobs.');
  expect(screen.getByLabelText<HTMLInputElement>('Password').value).toBe('');
  expect(screen.getByLabelText<HTMLInputElement>('Host').value).toBe('gpu');
  await press('Cancel');
  await closed;
});

test('the key of one machine says nothing of another', async () => {
  server.failures.set('computes/attach', UNCONFIRMED);
  const { closed } = open();
  await fill({ Name: 'gpu-box', Host: 'gpu' });
  await press('Attach');
  await userEvent.click(await screen.findByLabelText('Yes, this is its key'));
  await fill({ Host: 'other' });
  await waitFor(() => expect(screen.queryByText(KEY)).toBeNull());
  await press('Attach');
  await screen.findByText(KEY);
  expect(bodies()[1]).not.toHaveProperty('host_key');
  expect(screen.getByLabelText<HTMLInputElement>('Yes, this is its key').checked).toBe(false);
  await press('Cancel');
  await closed;
});

test('a name that is taken is a refusal, not a key to confirm', async () => {
  server.failures.set('computes/attach', {
    status: 409,
    code: 'conflict',
    message: "There is a compute 'gpu-box' already (ssh)."
  });
  const { closed } = open();
  await fill({ Name: 'gpu-box', Host: 'gpu' });
  await press('Attach');
  await screen.findByText(/There is a compute/);
  expect(screen.queryByText("Is this the machine's key?")).toBeNull();
  await press('Cancel');
  await closed;
});

test('the password is not readable in the form', async () => {
  const { closed } = open();
  const input = await screen.findByLabelText<HTMLInputElement>('Password');
  expect(input.type).toBe('password');
  await press('Cancel');
  await closed;
});

test.each([
  [{ host: '' }, 'host'],
  [{ host: '-oProxyCommand=x' }, 'host'],
  [{ host: 'a b' }, 'host'],
  [{ port: '0' }, 'port'],
  [{ port: '65536' }, 'port'],
  [{ port: '22x' }, 'port'],
  [{ username: 'a b' }, 'username'],
  [{ max_runs: '' }, 'max_runs'],
  [{ name: 'GPU-box' }, 'name']
])('a machine as in %j is refused', (changes, name) => {
  const { trans } = new Page(server).context;
  const texts = { name: 'abc', host: 'gpu', max_runs: '1', ...changes };
  const { problems } = readMachine(new Map(Object.entries(texts)), ['gpu-box'], trans);
  expect([...problems.keys()]).toEqual([name]);
});
