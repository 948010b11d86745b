import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { beforeEach, expect, test } from 'vitest';

import type { IRun } from '../../api/types';
import { makeAttached, makeCluster, makeInstance } from '../../testing/computes';
import { makeEnvironment } from '../../testing/environments';
import { FakeServer } from '../../testing/fakeServer';
import { FOREIGN, HOSTILE } from '../../testing/payloads';
import { Page } from '../../testing/render';
import { makeRun } from '../../testing/runs';
import { submitWithDialog } from '../submitDialog';

let server: FakeServer;

beforeEach(() => {
  document.body.textContent = '';
  server = new FakeServer();
  server.add(makeRun());
  server.parameters = [
    { name: 'alpha', default: '0.1', type: 'float', help: 'Strength of the penalty' },
    { name: 'verbose', default: 'False', type: '', help: '' },
    { name: 'model', default: "'ridge'", type: '', help: '' }
  ];
});

function start(): Promise<IRun | null> {
  const { context } = new Page(server);
  return submitWithDialog(context, { path: 'work/train.ipynb', notebook: { cells: [] } });
}

async function press(name: string): Promise<void> {
  const dialog = await screen.findByRole('dialog');
  await userEvent.click(within(dialog).getByRole('button', { name }));
}

async function fill(label: RegExp, text: string): Promise<void> {
  const input = await screen.findByLabelText(label);
  await userEvent.clear(input);
  await userEvent.type(input, text);
}

test('the form is made from the notebook, and what was changed is submitted', async () => {
  const result = start();
  expect(await screen.findByText('Strength of the penalty')).toBeTruthy();
  await fill(/alpha/, '0.5');
  await userEvent.click(screen.getByRole('checkbox', { name: /verbose/ }));
  await fill(/Experiment/, 'diabetes');
  await press('Submit');
  const run = await result;
  expect(run?.id).toBeTruthy();
  expect(server.last('notebooks/submit')?.body).toEqual({
    path: 'work/train.ipynb',
    parameters: { alpha: 0.5, verbose: true },
    experiment: 'diabetes'
  });
});

test('the compute is chosen among those there are, this machine first', async () => {
  server.computes.add(makeCluster(), makeInstance({ state: 'Deleting' }));
  const result = start();
  const select = await screen.findByLabelText<HTMLSelectElement>('Compute');
  expect([...select.options].map(option => option.value)).toEqual(['', 'cpu-cluster']);
  await userEvent.selectOptions(select, 'cpu-cluster');
  await press('Submit');
  await result;
  expect(server.last('notebooks/submit')?.body.compute).toBe('cpu-cluster');
});

test('the environment is chosen among those there are, a version of the own ones', async () => {
  server.environments = [
    makeEnvironment({ name: 'mine', version: '3', state: 'ready' }),
    makeEnvironment({ name: 'sklearn', curated: true })
  ];
  const result = start();
  const select = await screen.findByLabelText<HTMLSelectElement>('Environment');
  expect([...select.options].map(option => option.value)).toEqual(['', 'mine:3', 'sklearn']);
  expect([...select.options].map(option => option.text)).toContain(
    'sklearn (built with its first run)'
  );
  await userEvent.selectOptions(select, 'mine:3');
  await press('Submit');
  await result;
  expect(server.last('notebooks/submit')?.body.environment).toBe('mine:3');
});

test('who may not see the environments still submits', async () => {
  server.failures.set('environments', { status: 403, code: 'forbidden', message: 'No.' });
  const result = start();
  await screen.findByText('Strength of the penalty');
  expect(screen.queryByLabelText('Environment')).toBeNull();
  await press('Submit');
  await result;
  expect(server.last('notebooks/submit')?.body).not.toHaveProperty('environment');
});

test('an attached machine is a target as the others are', async () => {
  server.computes.add(makeAttached());
  const result = start();
  const select = await screen.findByLabelText<HTMLSelectElement>('Compute');
  expect([...select.options].map(option => option.text)).toContain('gpu-box (attached, Running)');
  await press('Cancel');
  await result;
});

test('who may not see the computes still submits to this machine', async () => {
  server.failures.set('computes', { status: 403, code: 'forbidden', message: 'No.' });
  const result = start();
  await screen.findByText('Strength of the penalty');
  expect(screen.queryByLabelText('Compute')).toBeNull();
  await press('Submit');
  await result;
  expect(server.last('notebooks/submit')?.body).not.toHaveProperty('compute');
});

test('a wrong value is refused beside its field, before anything is sent', async () => {
  const result = start();
  await fill(/alpha/, 'much');
  await press('Submit');
  await screen.findByText('A number is needed, such as 0.1 or 1e-3.');
  expect(screen.getByLabelText(/alpha/).getAttribute('aria-invalid')).toBe('true');
  expect(server.count('POST', 'notebooks/submit')).toBe(0);
  await press('Cancel');
  expect(await result).toBeNull();
});

test('what the server refuses is told in the dialog, which keeps what was typed', async () => {
  server.failures.set('notebooks/submit', {
    status: 422,
    code: 'unknown_parameter',
    message: 'There is no parameter alpha.',
    hint: 'Did you mean alphas?'
  });
  const result = start();
  await fill(/alpha/, '0.5');
  await press('Submit');
  await screen.findByText('There is no parameter alpha.');
  expect(screen.getByText('Did you mean alphas?')).toBeTruthy();
  expect(screen.getByLabelText<HTMLInputElement>(/alpha/).value).toBe('0.5');
  server.failures.clear();
  await press('Submit');
  expect(await result).not.toBeNull();
});

test('a notebook that cannot be inspected is told', async () => {
  server.failures.set('notebooks/inspect', {
    status: 422,
    code: 'not_a_notebook',
    message: 'This is not a notebook of format 4.'
  });
  const result = start();
  await screen.findByText('This is not a notebook of format 4.');
  await userEvent.click(screen.getByRole('button', { name: 'Ok' }));
  expect(await result).toBeNull();
});

test.each(HOSTILE)('a parameter called and described as %s stays text', async text => {
  server.parameters = [{ name: text, default: text, type: text, help: text }];
  const result = start();
  await waitFor(() => expect(screen.getAllByText(text).length).toBeGreaterThan(1));
  expect(document.body.querySelector(`${FOREIGN}, img, a`)).toBeNull();
  await press('Cancel');
  await result;
});
