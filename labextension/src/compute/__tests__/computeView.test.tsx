import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

import { makeCluster, makeInstance, makeNode, makeSize } from '../../testing/computes';
import { FakeServer } from '../../testing/fakeServer';
import { FOREIGN, HOSTILE } from '../../testing/payloads';
import { Page } from '../../testing/render';
import { makeLiveRun, runId } from '../../testing/runs';
import { ComputeList } from '../computeList';
import { ComputeView, type IShown } from '../computeView';

const HOUR = 3_600_000;
let server: FakeServer;

beforeEach(() => {
  document.body.textContent = '';
  server = new FakeServer();
});

class Shown implements IShown {
  name: string | null = null;
  readonly changed = new Signal<this, void>(this);
  show(name: string | null): void {
    this.name = name;
    this.changed.emit();
  }
}

function open(): Page {
  const page = new Page(server, HOUR);
  const client = page.context.client.computes;
  const list = new ComputeList({ client, stream: page.stream, soon: HOUR, later: HOUR });
  onTestFinished(() => list.dispose());
  page.render(<ComputeView list={list} shown={new Shown()} />);
  list.setActive(true);
  return page;
}

async function press(name: string): Promise<void> {
  await userEvent.click(await screen.findByRole('button', { name }));
}

async function row(name: string): Promise<HTMLElement> {
  return screen.findByRole('row', { name: new RegExp(name) });
}

test('an instance is listed with its size, its runs and what can be done with it', async () => {
  server.add(makeLiveRun({ display_name: 'brisk otter' }));
  server.computes.add(makeInstance({ state: 'JobRunning', active_runs: [runId(1)] }));
  server.computes.usage = [
    {
      compute: 'ci-ada',
      kind: 'instance',
      user: 'ada',
      month: '2026-11',
      size: 'x',
      seconds: 60,
      cost: 1.234
    }
  ];
  const page = open();
  const line = within(await row('ci-ada'));
  expect(line.getByText('Job running')).toBeTruthy();
  expect(line.getByText('1 core, 3.5 GiB')).toBeTruthy();
  await line.findByText('$1.23');
  expect(line.queryByRole('button', { name: 'Start ci-ada' })).toBeNull();
  await userEvent.click(await line.findByRole('button', { name: 'Running brisk otter' }));
  expect(page.opened).toEqual([runId(1)]);
  await userEvent.click(line.getByRole('button', { name: 'Terminal ci-ada' }));
  expect(page.terminals).toEqual(['ci-ada']);
});

test('a stopped instance is started, and its new state is shown at once', async () => {
  server.computes.add(makeInstance({ state: 'Stopped' }));
  open();
  await press('Start ci-ada');
  await screen.findByText('Starting');
  expect(server.count('POST', 'computes/ci-ada/start')).toBe(1);
});

test('stopping asks first only where a run would be canceled', async () => {
  server.computes.add(makeInstance());
  server.computes.add(makeInstance({ name: 'ci-bob', active_runs: [runId(1)], created_at: 2_000 }));
  open();
  await press('Stop ci-ada');
  await waitFor(() => expect(server.count('POST', 'computes/ci-ada/stop')).toBe(1));
  await press('Stop ci-bob');
  const dialog = within(await screen.findByRole('dialog'));
  dialog.getByText('1 run is on it and will be canceled.');
  await userEvent.click(dialog.getByRole('button', { name: 'Cancel' }));
  expect(server.count('POST', 'computes/ci-bob/stop')).toBe(0);
});

test('who may only look sees no buttons', async () => {
  server.granted.set('aml.compute', []);
  server.computes.add(makeInstance());
  open();
  const line = await row('ci-ada');
  await waitFor(() => expect(server.count('GET', '/api/me')).toBe(1));
  expect(within(line).getAllByRole('button')).toHaveLength(1);
  expect(screen.queryByRole('button', { name: 'New instance' })).toBeNull();
});

test('what the server refuses is said above the list until it is dismissed', async () => {
  server.computes.add(makeInstance({ state: 'Stopped' }));
  server.failures.set('computes/ci-ada/start', {
    status: 409,
    code: 'conflict',
    message: '2 cores are needed, and 1 is free.',
    hint: 'Stop something.'
  });
  open();
  await press('Start ci-ada');
  await screen.findByText('2 cores are needed, and 1 is free.');
  await press('Dismiss');
  expect(screen.queryByText('Stop something.')).toBeNull();
});

test('deleting a cluster with runs says that they are canceled, and forces it', async () => {
  server.computes.add(makeCluster({ active_runs: [runId(1)], queued_runs: 2 }));
  open();
  await userEvent.click(await screen.findByRole('tab', { name: 'Clusters (1)' }));
  await press('Delete cpu-cluster');
  const dialog = within(await screen.findByRole('dialog'));
  dialog.getByText(/1 run is on it, 2 runs wait for it.*cancels them/);
  await userEvent.click(dialog.getByRole('button', { name: 'Cancel runs and delete' }));
  await screen.findByText('Deleting');
  expect(server.last('computes/cpu-cluster')?.query.get('force')).toBe('true');
});

test('a cluster’s nodes are changed within their limits', async () => {
  server.computes.add(makeCluster());
  open();
  await userEvent.click(await screen.findByRole('tab', { name: 'Clusters (1)' }));
  await press('Edit cpu-cluster');
  const most = await screen.findByLabelText('Nodes at most');
  await userEvent.clear(most);
  await userEvent.type(most, 'many');
  await press('Save');
  await screen.findByText('Give a whole number from 1 to 1000.');
  await userEvent.clear(most);
  await userEvent.type(most, '8');
  await press('Save');
  await screen.findByText('0 of 0–8');
  expect(server.last('computes/cpu-cluster')?.body).toEqual({
    min_nodes: 0,
    max_nodes: 8,
    idle_seconds: 120
  });
});

test('a new cluster: a bad name is told while it is typed, a refusal keeps what was typed', async () => {
  server.computes.sizes = [makeSize(), makeSize({ name: 'STANDARD_BIG', fits: false })];
  open();
  await userEvent.click(await screen.findByRole('tab', { name: 'Clusters' }));
  await press('New cluster');
  const name = await screen.findByLabelText('Name');
  await userEvent.type(name, '2x');
  await screen.findByText(/a letter first, such as/);
  await press('Create');
  expect(server.count('POST', 'computes')).toBe(0);
  expect(screen.getByRole<HTMLOptionElement>('option', { name: /BIG/ }).disabled).toBe(true);

  await userEvent.clear(name);
  await userEvent.type(name, 'cpu-cluster');
  server.failures.set('computes', {
    status: 409,
    code: 'conflict',
    message: 'It exceeds a quota.'
  });
  await press('Create');
  await screen.findByText('It exceeds a quota.');
  expect(screen.getByLabelText<HTMLInputElement>('Name').value).toBe('cpu-cluster');
  server.failures.clear();
  await press('Create');
  await row('cpu-cluster');
});

test('the details of a cluster tell its nodes, their runs and its usage', async () => {
  server.add(makeLiveRun({ display_name: 'brisk otter' }));
  server.computes.add(makeCluster({ details: ['held by control groups'], current_nodes: 1 }));
  server.computes.nodes.set('cpu-cluster', [makeNode({ state: 'running', run_id: runId(1) })]);
  server.computes.quotas = [{ family: 'standardDSv2Family', limit: 4, used: 1 }];
  server.computes.usage = [
    {
      compute: 'cpu-cluster',
      kind: 'cluster',
      user: 'ada',
      month: '2026-11',
      size: 'STANDARD_DS1_V2',
      seconds: 3600,
      cost: 0.073
    }
  ];
  const page = open();
  await userEvent.click(await screen.findByRole('tab', { name: 'Clusters (1)' }));
  await press('cpu-cluster');
  await screen.findByText('held by control groups');
  await screen.findByText('1 of 4 cores in use');
  const nodes = within(await screen.findByRole('table', { name: 'Nodes' }));
  nodes.getByText('Running a job');
  await nodes.findByText('brisk otter');
  const usage = within(await screen.findByRole('table', { name: 'Usage by month' }));
  usage.getByText('$0.07');

  server.computes.nodes.set('cpu-cluster', []);
  page.emitCompute({ compute: 'cpu-cluster', state: 'Running' });
  await screen.findByText(/None now/);
  await press('Compute');
  await screen.findByRole('tab', { name: 'Clusters (1)', selected: true });
});

test('an instance that failed says why, and one that is deleted is gone', async () => {
  const error = { message: 'the setup script ended with exit code 1', detail: 'pip: not found' };
  server.computes.add(makeInstance({ state: 'CreateFailed', error }));
  const page = open();
  await press('ci-ada');
  await screen.findByText('pip: not found');
  server.computes.all.clear();
  page.emitCompute({ compute: 'ci-ada', state: 'Deleted' });
  await screen.findByText(/no such compute/);
});

test.each(HOSTILE)('a compute described as %s stays text', async text => {
  server.computes.add(makeInstance({ description: text, state: text, details: [text] }));
  open();
  await screen.findAllByText(text);
  await press('ci-ada');
  await waitFor(() => expect(screen.getAllByText(text).length).toBeGreaterThan(1));
  expect(document.body.querySelector(`${FOREIGN}, img, a`)).toBeNull();
});
