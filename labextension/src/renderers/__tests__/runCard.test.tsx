import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { FOREIGN, HOSTILE } from '../../testing/payloads';
import { Page } from '../../testing/render';
import { makeError, makeLiveRun, makeMetric, makeRun, runId } from '../../testing/runs';
import { RunCard } from '../runCard';

function cardData(changes: object = {}): object {
  return {
    run_id: runId(1),
    workspace_id: 'workspace-here',
    snapshot: makeRun({ display_name: 'as saved', status: 'Queued' }),
    ...changes
  };
}

test('a live card shows state, progress, metrics and the last log lines, and goes on', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun({ metrics: { rmse: 0.75 } }));
  const lines = Array.from({ length: 20 }, (_, index) => `epoch ${index}`);
  server.logs.set(runId(1), `${lines.join('\n')}\n`);
  const page = new Page(server);
  page.render(<RunCard data={cardData()} />);

  await screen.findByText('Running');
  expect(screen.getByText('1 of 3 cells')).toBeTruthy();
  expect(screen.getByText('model.fit(X, y)')).toBeTruthy();
  expect(screen.getByText('0.75')).toBeTruthy();
  const log = await screen.findByText(/epoch 19/);
  expect(log.textContent).toContain('epoch 12');
  expect(log.textContent).not.toContain('epoch 11');

  server.change(runId(1), { status: 'Completed', ended_at: Date.now(), metrics: { rmse: 0.5 } });
  page.emit({ run_id: runId(1), experiment: 'iris', status: 'Completed', progress: null });
  await screen.findByText('Completed');
  await screen.findByText('0.5');
});

test('a metric with a course gets a line', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  server.metrics.set(runId(1), [makeMetric({ name: 'rmse', count: 3, last: 0.25 })]);
  server.histories.set(`${runId(1)}/rmse`, [1, 'NaN', 0.5, 0.25]);
  const { container } = new Page(server).render(<RunCard data={cardData()} />);
  await waitFor(() => expect(container.querySelector('svg path')).not.toBeNull());
});

test('cancel asks the server and shows that it was asked', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  new Page(server).render(<RunCard data={cardData()} />);
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
  await screen.findByText('Canceling');
  expect(server.count('POST', `runs/${runId(1)}/cancel`)).toBe(1);
  expect(screen.queryByRole('button', { name: 'Cancel' })).toBeNull();
});

test('a refused cancel tells why and what to do', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  server.failures.set(`runs/${runId(1)}/cancel`, {
    status: 403,
    code: 'forbidden',
    message: 'You may not cancel this run.',
    hint: 'Ask its owner.'
  });
  new Page(server).render(<RunCard data={cardData()} />);
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
  const alert = await screen.findByRole('alert');
  expect(within(alert).getByText('You may not cancel this run.')).toBeTruthy();
  expect(within(alert).getByText('Ask its owner.')).toBeTruthy();
});

test('a run that is over is fetched once and not polled', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  new Page(server, 5).render(<RunCard data={cardData()} />);
  await screen.findByText('brisk otter');
  await new Promise(resolve => setTimeout(resolve, 100));
  expect(server.count('GET', `runs/${runId(1)}`)).toBe(1);
});

test('when Cancel goes, no button that stays has one fewer to its right', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  new Page(server).render(<RunCard data={cardData()} />);
  await screen.findByRole('button', { name: 'Cancel' });
  const names = (): (string | null)[] =>
    screen.getAllByRole('button').map(button => button.textContent);
  expect(names()).toEqual(['Cancel', 'Rerun', 'Open']);
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await screen.findByText('Canceling');
  expect(names()).toEqual(['Rerun', 'Open']);
});

test('who may only read is offered nothing else', async () => {
  const server = new FakeServer();
  server.granted.clear();
  server.add(makeLiveRun());
  new Page(server).render(<RunCard data={cardData()} />);
  await screen.findByText('Running');
  expect(screen.getAllByRole('button').map(button => button.textContent)).toEqual(['Open']);
});

test.each([
  ['canceled', 'Canceled on request.'],
  ['', 'Canceled on request.'],
  ['canceled before it started', 'Canceled before it started.']
])(
  'a canceled run whose error says "%s" says so in one line, with no class or traceback',
  async (message, told) => {
    const server = new FakeServer();
    const error = makeError({
      class: 'Canceled',
      message,
      cell: 1,
      traceback: 'KeyboardInterrupt'
    });
    server.add(makeRun({ status: 'Canceled', error }));
    const { container } = new Page(server).render(<RunCard data={cardData()} />);
    await screen.findByText(told);
    expect(container.textContent).not.toMatch(/Canceled: |KeyboardInterrupt|Traceback|In cell/);
  }
);

test.each([
  ['notebook', true],
  ['cell', false]
])('a failed %s tells the number of its cell: %s', async (kind, numbered) => {
  const server = new FakeServer();
  server.add(makeRun({ status: 'Failed', kind, error: makeError({ cell: 1 }) }));
  new Page(server).render(<RunCard data={cardData()} />);
  await screen.findByText('Input X contains NaN.');
  expect(screen.queryByText('In cell 2 of the notebook') !== null).toBe(numbered);
});

test('metrics are fetched with the log lines that were printed beside them', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun({ metrics: { loss: 1 } }));
  server.logs.set(runId(1), 'epoch 1\n');
  const page = new Page(server, 3_600_000);
  page.render(<RunCard data={cardData()} />);
  await screen.findByText(/epoch 1/);
  server.logs.set(runId(1), 'epoch 1\nepoch 2\n');
  server.change(runId(1), { metrics: { loss: 0.5 } });
  await screen.findByText(/epoch 2/, {}, { timeout: 5000 });
  await screen.findByText('0.5');
});

test('open shows the run', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  const page = new Page(server);
  page.render(<RunCard data={cardData()} />);
  await userEvent.click(await screen.findByRole('button', { name: 'Open' }));
  expect(page.opened).toEqual([runId(1)]);
});

test('a card of another workspace shows what was saved and fetches no run', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  new Page(server).render(<RunCard data={cardData({ workspace_id: 'elsewhere' })} />);
  await screen.findByText(/From another workspace/);
  expect(screen.getByText('as saved')).toBeTruthy();
  expect(screen.queryByRole('button')).toBeNull();
  expect(server.requests.map(request => request.path)).toEqual(['/api/me', 'workspace']);
});

test('a card of a deleted run shows what was saved and asks only once', async () => {
  const server = new FakeServer();
  new Page(server, 5).render(<RunCard data={cardData()} />);
  await screen.findByText(/No longer in this workspace/);
  expect(screen.getByText('as saved')).toBeTruthy();
  await new Promise(resolve => setTimeout(resolve, 100));
  expect(server.count('GET', `runs/${runId(1)}`)).toBe(1);
});

test('a card without any server shows what was saved', async () => {
  const server = new FakeServer();
  server.unreachable = true;
  new Page(server).render(<RunCard data={cardData()} />);
  await screen.findByText(/does not answer/);
  expect(screen.getByText('as saved')).toBeTruthy();
});

test.each(['../../etc', '0'.repeat(31), 'A'.repeat(32), null, 5, ['x'], `${runId(1)}/cancel`])(
  'what is no run id (%s) is never asked for',
  async id => {
    const server = new FakeServer();
    new Page(server).render(<RunCard data={cardData({ run_id: id })} />);
    await screen.findByText('Not a run of jupyter_aml.');
    expect(server.requests.filter(request => request.path.startsWith('runs'))).toEqual([]);
  }
);

test.each([null, 'text', 7, [], {}, { snapshot: { metrics: 3, params: [{}], error: 'x' } }])(
  'malformed data (%j) draws a note, not an exception',
  async data => {
    new Page(new FakeServer()).render(<RunCard data={data} />);
    await screen.findByText('Not a run of jupyter_aml.');
  }
);

test.each(HOSTILE)('a forged snapshot full of %s stays text', async text => {
  const snapshot = makeRun({
    display_name: text,
    experiment: text,
    params: { [text]: text },
    metrics: { [text]: 1 },
    error: makeError({ class: text, message: text, traceback: text }),
    progress: { done: 1, total: 2, index: null, label: text }
  });
  const { container } = new Page(new FakeServer()).render(
    <RunCard
      data={cardData({ workspace_id: text, snapshot: { ...snapshot, status: 'Running' } })}
    />
  );
  await screen.findByText(/From another workspace/);
  expect(screen.getAllByText(text).length).toBeGreaterThan(3);
  expect(container.querySelector(`${FOREIGN}, img, a`)).toBeNull();
});
