import { screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { FOREIGN, HOSTILE } from '../../testing/payloads';
import { Page } from '../../testing/render';
import { makeError, makeLiveRun, makeMetric, makeRun, runId } from '../../testing/runs';
import { RunView } from '../runView';

async function open(server: FakeServer, tab?: string): Promise<Page> {
  const page = new Page(server);
  page.render(<RunView runId={runId(1)} />);
  if (tab !== undefined) {
    await userEvent.click(await screen.findByRole('tab', { name: tab }));
  }
  return page;
}

function put(server: FakeServer, path: string, content: string | number[]): void {
  const bytes =
    typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content);
  const key = `${runId(1)}/artifacts`;
  server.files.set(key, new Map([...(server.files.get(key) ?? []), [path, bytes]]));
}

test('the overview says what ran, with what, and what came out', async () => {
  const server = new FakeServer();
  server.add(makeRun({ tags: { stage: 'prod' }, source: { git: { commit: 'abc', dirty: true } } }));
  await open(server);
  await screen.findByRole('heading', { name: 'brisk otter' });
  for (const row of [
    'alpha 0.1',
    'rmse 0.25',
    'stage prod',
    'Duration 5.0 s',
    'Commit abc (with changes)'
  ]) {
    expect(screen.getByRole('row', { name: row })).toBeTruthy();
  }
});

test('a failure is told with its traceback and cell', async () => {
  const server = new FakeServer();
  const error = makeError({ cell: 2, traceback: '\x1b[31mTraceback\x1b[0m' });
  server.add(
    makeRun({ status: 'Failed', error, progress: { done: 2, total: 3, index: null, label: null } })
  );
  server.cells.set(runId(1), [
    {
      index: 0,
      label: 'import numpy',
      kind: 'code',
      state: 'completed',
      started_at: 0,
      ended_at: 1500
    },
    {
      index: 2,
      label: 'model.fit(X)',
      kind: 'code',
      state: 'failed',
      started_at: 1500,
      ended_at: 1600
    }
  ]);
  await open(server);
  await screen.findByText('Input X contains NaN.');
  // The heading of the fold, and the text in it without its colour codes.
  expect(screen.getAllByText('Traceback')).toHaveLength(2);
  const cell = (await screen.findByText('model.fit(X)')).closest('li');
  expect(within(cell as HTMLElement).getByRole('img', { name: 'Failed' })).toBeTruthy();
});

test('a run that does not exist is told, with a way to try again', async () => {
  const server = new FakeServer();
  await open(server);
  await screen.findByText('There is no such run.');
  server.add(makeRun());
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await screen.findByRole('heading', { name: 'brisk otter' });
});

test('the cell that a cancel interrupted did not fail', async () => {
  const server = new FakeServer();
  server.add(makeRun({ status: 'Canceled', error: makeError({ message: 'canceled' }) }));
  const cell = { kind: 'code', started_at: 1, ended_at: 2 };
  server.cells.set(runId(1), [
    { ...cell, index: 0, label: 'one()', state: 'completed' },
    { ...cell, index: 1, label: 'two()', state: 'failed' }
  ]);
  await open(server);
  const cells = await screen.findAllByRole('listitem');
  const marks = cells.map(item => within(item).getByRole('img').getAttribute('aria-label'));
  expect(marks).toEqual(['Completed', 'Canceled']);
  expect(screen.getByText('Canceled on request.')).toBeTruthy();
});

test('metrics have charts, and what is no number a readable form', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  server.metrics.set(runId(1), [
    makeMetric({ name: 'rmse', kind: 'scalar', count: 3, last: 0.25, min: 0.25, max: 1 }),
    makeMetric({ name: 'best', kind: 'scalar', count: 1, last: 42 }),
    makeMetric({
      name: 'confusion',
      kind: 'confusion_matrix',
      count: 1,
      value: {
        data: {
          class_labels: ['cat', 'dog'],
          matrix: [
            [5, 1],
            [0, 7]
          ]
        }
      }
    }),
    makeMetric({ name: 'residuals', kind: 'table', count: 1, value: { x: [1, 2], y: ['a', 'b'] } }),
    makeMetric({ name: 'epochs', kind: 'row', count: 2, value: { epoch: 2, ok: 'yes' } }),
    makeMetric({ name: 'note', kind: 'text', count: 1, value: 'fine <b>enough</b>' })
  ]);
  server.histories.set(`${runId(1)}/rmse`, [1, 'Infinity', 0.25]);
  server.values.set(`${runId(1)}/epochs`, [
    { epoch: 1, ok: 'no' },
    { epoch: 2, ok: 'yes' }
  ]);
  await open(server, 'Metrics');
  await screen.findByText('last 0.25 · min 0.25 · max 1');
  await screen.findByRole('row', { name: '1 ∞' });
  expect(screen.getByText('1 point is not a finite number and is not drawn.')).toBeTruthy();
  await screen.findByRole('row', { name: '0 1 no' });
  expect(screen.getByText('42')).toBeTruthy();
  expect(screen.getByRole('row', { name: 'dog 0 7' })).toBeTruthy();
  expect(screen.getByRole('row', { name: '1 2 b' })).toBeTruthy();
  expect(screen.getByText('fine <b>enough</b>')).toBeTruthy();
});

test('the log streams while the run goes on', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  server.logs.set(runId(1), 'epoch 1\n');
  await open(server, 'Logs');
  await screen.findByText(/epoch 1/);
  server.logs.set(runId(1), 'epoch 1\nepoch 2\n');
  await screen.findByText(/epoch 2/, {}, { timeout: 5000 });
  expect(screen.getByRole('checkbox', { name: 'Follow' })).toBeTruthy();
});

test('a page among the outputs is shown as its source, and downloads as a file', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  put(server, 'outputs/page.html', '<script>alert(1)</script>');
  await open(server, 'Outputs');
  await userEvent.click(await screen.findByRole('button', { name: 'page.html' }));
  await screen.findByText('<script>alert(1)</script>');
  const link = screen.getByRole('link', { name: 'Download' });
  expect(link.getAttribute('href')).toBe(
    `http://localhost/aml/api/v1/runs/${runId(1)}/artifacts/outputs/page.html`
  );
  expect(link.hasAttribute('download')).toBe(true);
  expect(document.querySelector(`.jp-aml-file-preview :is(${FOREIGN})`)).toBeNull();
});

test.each([
  ['a PNG by its bytes', 'plot.txt', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0], true],
  ['a JPEG by its bytes', 'photo', [0xff, 0xd8, 0xff, 0xe0], true],
  ['no image by its name', 'fake.png', [0, 1, 2, 3], false]
])('%s is drawn accordingly', async (_, name, bytes, isImage) => {
  const server = new FakeServer();
  server.add(makeRun());
  put(server, name, bytes);
  await open(server, 'Outputs');
  await userEvent.click(await screen.findByRole('button', { name }));
  if (isImage) {
    await waitFor(() =>
      expect(document.querySelector('img')?.getAttribute('src')).toBe('blob:test')
    );
  } else {
    await screen.findByText(/neither text nor a PNG/);
    expect(document.querySelector('img')).toBeNull();
  }
});

test('an svg is text', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  put(server, 'a.svg', '<svg onload=alert(1)>');
  await open(server, 'Outputs');
  await userEvent.click(await screen.findByRole('button', { name: 'a.svg' }));
  await screen.findByText('<svg onload=alert(1)>');
  expect(document.querySelector('img, svg')).toBeNull();
});

test('an executed notebook can be read, its HTML cannot act', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  const html = '<img src=x onerror=alert(1)>';
  const outputs = [
    { output_type: 'stream', text: ['hello\n'] },
    { output_type: 'display_data', data: { 'text/html': html, 'text/plain': 'a table' } }
  ];
  const cells = [
    { cell_type: 'markdown', source: html },
    { cell_type: 'code', execution_count: 4, source: ['print(1)'], outputs }
  ];
  put(server, 'executed.ipynb', JSON.stringify({ nbformat: 4, cells }));
  await open(server, 'Outputs');
  await userEvent.click(await screen.findByRole('button', { name: 'executed.ipynb' }));
  await screen.findByText('[4]');
  for (const text of [html, 'print(1)', 'hello', 'a table']) {
    expect(screen.getByText(text)).toBeTruthy();
  }
  expect(document.querySelector('img')).toBeNull();
});

test('rerun asks for changed parameters, sends only those, and opens the new run', async () => {
  const server = new FakeServer();
  server.add(makeRun({ spec: { type: 'notebook', parameters: { alpha: 0.1, model: 'ridge' } } }));
  const page = await open(server);
  await userEvent.click(await screen.findByRole('button', { name: 'Rerun' }));
  const alpha = await screen.findByLabelText(/alpha/);
  await userEvent.clear(alpha);
  await userEvent.type(alpha, '0.5');
  const dialog = screen.getByRole('dialog');
  await userEvent.click(within(dialog).getByRole('button', { name: /Rerun/ }));
  await waitFor(() => expect(page.opened).toHaveLength(1));
  expect(server.last(`runs/${runId(1)}/rerun`)?.body).toEqual({ parameters: { alpha: 0.5 } });
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

test('tabs are worked by arrow keys', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  await open(server);
  (await screen.findByRole('tab', { name: 'Overview' })).focus();
  await userEvent.keyboard('{ArrowLeft}');
  const snapshot = screen.getByRole('tab', { name: 'Snapshot' });
  expect(snapshot.getAttribute('aria-selected')).toBe('true');
  expect(document.activeElement).toBe(snapshot);
});

test.each(HOSTILE)('a run full of %s stays text on every tab', async text => {
  const server = new FakeServer();
  server.add(
    makeRun({
      experiment: text,
      display_name: text,
      description: text,
      tags: { [text]: text },
      params: { [text]: text },
      metrics: { [text]: 1 },
      error: makeError({ class: text, message: text, traceback: text }),
      source: { python: text }
    })
  );
  server.metrics.set(runId(1), [
    makeMetric({ name: text, kind: 'scalar', count: 2, last: 1, min: 1, max: 1 }),
    makeMetric({ name: text + ' table', kind: 'table', count: 1, value: { [text]: [text] } })
  ]);
  server.histories.set(`${runId(1)}/${text}`, [1, 2]);
  server.logs.set(runId(1), text);
  put(server, `outputs/${text.replaceAll('/', '_')}`, text);
  await open(server);
  for (const tab of ['Overview', 'Metrics', 'Logs', 'Outputs']) {
    await userEvent.click(await screen.findByRole('tab', { name: tab }));
    await waitFor(() => expect(screen.queryByText('Loading…')).toBeNull());
    expect(document.body.querySelector(`${FOREIGN}, img:not([src^="blob:"])`)).toBeNull();
    expect(document.body.querySelector('a[href]:not([download])')).toBeNull();
  }
  expect(screen.getAllByText(text).length).toBeGreaterThan(0);
});
