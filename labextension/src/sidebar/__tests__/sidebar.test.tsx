import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, onTestFinished, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { FOREIGN, HOSTILE } from '../../testing/payloads';
import { Page } from '../../testing/render';
import { makeLiveRun, makeRun, runId } from '../../testing/runs';
import { SidebarModel } from '../sidebarModel';
import { SidebarView } from '../sidebarView';

const HOUR = 3_600_000;

function show(server: FakeServer, interval = HOUR): { page: Page; model: SidebarModel } {
  const page = new Page(server);
  const model = new SidebarModel(page.context.client, page.context.feed, interval);
  onTestFinished(() => model.dispose());
  page.render(<SidebarView model={model} />);
  model.setActive(true);
  return { page, model };
}

function fill(server: FakeServer, count: number, experiment = 'iris'): void {
  for (let index = 1; index <= count; index++) {
    const name = `run ${index}`;
    server.add(
      makeRun({ id: runId(index), experiment, display_name: name, created_at: index * 1000 })
    );
  }
}

test('the latest experiment is open, its newest run first; a click opens the run', async () => {
  const server = new FakeServer();
  fill(server, 3);
  server.add(makeRun({ id: runId(99), experiment: 'older', created_at: 1 }));
  const { page } = show(server);
  await screen.findByText('run 3');
  const rows = screen.getAllByRole('treeitem').map(row => row.textContent);
  expect(rows).toEqual(['iris3', 'run 35.0 s', 'run 25.0 s', 'run 15.0 s', 'older1']);
  await userEvent.click(screen.getByText('run 2'));
  expect(page.opened).toEqual([runId(2)]);
});

test('an empty workspace tells how to begin', async () => {
  const server = new FakeServer();
  const { page } = show(server);
  await screen.findByText(/No runs yet/);
  fill(server, 1);
  page.emit({ run_id: runId(1), experiment: 'iris', status: 'Completed', progress: null });
  await screen.findByText('run 1', {}, { timeout: 5000 });
});

test('a server that fails is quoted, and asked again on demand', async () => {
  const server = new FakeServer();
  fill(server, 1);
  server.failures.set('experiments', {
    status: 503,
    code: 'down',
    message: 'The service is down.'
  });
  show(server);
  const row = await screen.findByText(/The service is down/);
  server.failures.clear();
  await userEvent.click(row);
  await screen.findByText('run 1');
});

test('events move a run on, and bring in new ones', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun({ display_name: 'going' }));
  const { page } = show(server);
  await screen.findByRole('img', { name: 'Running' });
  page.emit({
    run_id: runId(1),
    experiment: 'iris',
    status: 'Running',
    progress: { done: 2, total: 3 }
  });
  await screen.findByText('2/3');

  server.change(runId(1), { status: 'Failed', ended_at: Date.now() });
  server.add(makeLiveRun({ id: runId(2), display_name: 'newcomer', created_at: 5_000 }));
  page.emit({ run_id: runId(1), experiment: 'iris', status: 'Failed', progress: null });
  page.emit({ run_id: runId(2), experiment: 'iris', status: 'Running', progress: null });
  await screen.findByRole('img', { name: 'Failed' });
  await screen.findByText('newcomer', {}, { timeout: 5000 });
});

test('a running run can be canceled from its line, without opening it', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun({ display_name: 'going' }));
  const { page } = show(server);
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel going' }));
  await screen.findByRole('img', { name: 'Canceling' });
  expect(page.opened).toEqual([]);
});

test('what is typed finds runs in all experiments', async () => {
  const server = new FakeServer();
  fill(server, 3);
  server.add(makeRun({ id: runId(50), experiment: 'wine', display_name: "o'brien otter" }));
  show(server);
  await screen.findByText('run 3');
  await userEvent.type(screen.getByRole('searchbox'), 'otter');
  await screen.findByText("o'brien otter");
  expect(screen.queryByText('run 3')).toBeNull();
  expect(server.last('runs/search')?.body.filter).toBe("attributes.run_name ILIKE '%otter%'");

  await userEvent.clear(screen.getByRole('searchbox'));
  await userEvent.type(screen.getByRole('searchbox'), 'metrics.rmse < 1');
  await waitFor(() => expect(server.last('runs/search')?.body.filter).toBe('metrics.rmse < 1'));
});

test('a filter that cannot be read is told in full, with what was expected', async () => {
  const server = new FakeServer();
  fill(server, 1);
  show(server);
  await screen.findByText('run 1');
  server.failures.set('runs/search', {
    status: 400,
    code: 'invalid',
    message: 'The filter cannot be read at position 8.',
    hint: 'Did you mean status?'
  });
  await userEvent.type(screen.getByRole('searchbox'), 'statu = 1');
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toContain('The filter cannot be read at position 8.');
  expect(alert.textContent).toContain('Did you mean status?');
});

test('ten thousand runs come page by page, and only those in view are drawn', async () => {
  const server = new FakeServer();
  fill(server, 10_000);
  const { model } = show(server);
  await screen.findByText('run 10000');
  expect(server.count('POST', 'runs/search')).toBe(1);
  expect(screen.getAllByRole('treeitem').length).toBeLessThan(60);
  const tree = screen.getByRole('tree');
  const loaded = model.rows.length;
  tree.scrollTop = loaded * 26;
  fireEvent.scroll(tree);
  await waitFor(() => expect(model.rows.length).toBeGreaterThan(loaded));
  expect(screen.getAllByRole('treeitem').length).toBeLessThan(60);
});

test('the tree is worked by keyboard alone', async () => {
  const server = new FakeServer();
  fill(server, 2);
  const { page } = show(server);
  await screen.findByText('run 2');
  const tree = screen.getByRole('tree');
  tree.focus();
  await userEvent.keyboard('{ArrowDown}{Enter}');
  expect(page.opened).toEqual([runId(2)]);
  await userEvent.keyboard('{ArrowLeft}{ArrowLeft}');
  expect(screen.queryByText('run 2')).toBeNull();
  const head = within(tree).getByRole('treeitem', { expanded: false });
  expect(tree.getAttribute('aria-activedescendant')).toBe(head.id);
  await userEvent.keyboard('{ArrowRight}');
  await screen.findByText('run 2');
});

test('a row whose event was lost catches up by itself, and a deleted run goes', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun({ display_name: 'going' }));
  server.add(makeLiveRun({ id: runId(2), display_name: 'doomed' }));
  show(server, 20);
  await screen.findByText('doomed');
  server.change(runId(1), { status: 'Completed', ended_at: Date.now() });
  server.runs.delete(runId(2));
  await screen.findByRole('img', { name: 'Completed' });
  expect(screen.queryByText('doomed')).toBeNull();
});

test('after a silence of the server the rows are read again', async () => {
  const server = new FakeServer();
  fill(server, 1);
  show(server, 20);
  await screen.findByText('run 1');
  server.unreachable = true;
  await screen.findByText(/Click to try again/);
  server.add(makeRun({ id: runId(2), display_name: 'made meanwhile', created_at: 9_000 }));
  server.unreachable = false;
  await screen.findByText('made meanwhile', {}, { timeout: 5000 });
  expect(screen.queryByText(/Click to try again/)).toBeNull();
});

test('a page that comes back into view reads its rows again, those past the first page too', async () => {
  const server = new FakeServer();
  fill(server, 250);
  server.add(makeLiveRun({ id: runId(1), display_name: 'old but going', created_at: 1_000 }));
  const { model } = show(server);
  await screen.findByText('run 250');
  const tree = screen.getByRole('tree');
  for (const height of [100 * 26, 200 * 26, 250 * 26]) {
    tree.scrollTop = height;
    fireEvent.scroll(tree);
    await waitFor(() => expect(model.rows.length * 26).toBeGreaterThan(height));
  }
  await screen.findByText('old but going');
  server.change(runId(1), { status: 'Failed', ended_at: Date.now() });
  document.dispatchEvent(new Event('visibilitychange'));
  await screen.findByRole('img', { name: 'Failed' }, { timeout: 5000 });
  expect(model.rows).toHaveLength(251);
});

test('who may only read sees no way to cancel', async () => {
  const server = new FakeServer();
  server.granted.clear();
  server.add(makeLiveRun({ display_name: 'going' }));
  show(server);
  await screen.findByText('going');
  expect(screen.queryByRole('button', { name: 'Cancel going' })).toBeNull();
});

test('while hidden nothing is fetched', async () => {
  const server = new FakeServer();
  fill(server, 1);
  const { page, model } = show(server);
  await screen.findByText('run 1');
  model.setActive(false);
  const before = server.requests.length;
  page.emit({ run_id: runId(7), experiment: 'iris', status: 'Queued', progress: null });
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(server.requests.length).toBe(before);
});

test.each(HOSTILE)('experiments and runs named %s stay text', async text => {
  const server = new FakeServer();
  server.add(makeRun({ experiment: text, display_name: text }));
  show(server);
  await waitFor(() => expect(screen.getAllByText(text)).toHaveLength(2));
  expect(document.body.querySelector(`${FOREIGN}, a, .jp-aml-tree img`)).toBeNull();
});
