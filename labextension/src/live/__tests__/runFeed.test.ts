import { expect, test, vi } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { Page } from '../../testing/render';
import { makeLiveRun, makeRun, runId } from '../../testing/runs';

const HOUR = 3_600_000;

test('an event shows the new state at once and brings the rest from the server', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  const page = new Page(server, HOUR);
  const { watched } = page.context.feed.watch(runId(1));
  await vi.waitFor(() => expect(watched.run?.status).toBe('Running'));

  server.change(runId(1), { status: 'Completed', ended_at: 9, metrics: { rmse: 0.125 } });
  page.emit({
    run_id: runId(1),
    experiment: 'iris',
    status: 'Completed',
    progress: { done: 3, total: 3 }
  });
  expect(watched.run?.status).toBe('Completed');
  expect(watched.run?.progress?.done).toBe(3);
  await vi.waitFor(() => expect(watched.run?.metrics).toEqual({ rmse: 0.125 }));
});

test('a burst of events leads to few requests', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  const page = new Page(server, HOUR);
  const { watched } = page.context.feed.watch(runId(1));
  await vi.waitFor(() => expect(watched.run).not.toBeNull());
  for (let done = 0; done < 50; done++) {
    page.emit({
      run_id: runId(1),
      experiment: 'iris',
      status: 'Running',
      progress: { done, total: 50 }
    });
  }
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(server.count('GET', `runs/${runId(1)}`)).toBeLessThanOrEqual(4);
});

test('without any event a live run is polled until it is over', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  const { watched } = new Page(server, 5).context.feed.watch(runId(1));
  await vi.waitFor(() => expect(watched.run?.status).toBe('Running'));
  server.change(runId(1), { status: 'Canceled', ended_at: 9 });
  await vi.waitFor(() => expect(watched.run?.status).toBe('Canceled'));
});

test('what is shown twice is fetched once, and no longer when nothing shows it', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  const { feed } = new Page(server, 5).context;
  const [first, second] = [feed.watch(runId(1)), feed.watch(runId(1))];
  expect(first.watched).toBe(second.watched);
  first.dispose();
  first.dispose();
  await vi.waitFor(() => expect(second.watched.run).not.toBeNull());
  second.dispose();
  await new Promise(resolve => setTimeout(resolve, 20));
  const before = server.requests.length;
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(server.requests.length).toBe(before);
});

test.each([
  { schema_id: 'https://other.invalid/v1' },
  { run_id: '../x' },
  { status: 'Exploded' },
  { run_id: undefined }
])('a foreign or malformed event (%j) is ignored', changes => {
  const page = new Page(new FakeServer(), HOUR);
  const seen: unknown[] = [];
  page.context.feed.events.connect((_, event) => seen.push(event));
  const event = {
    run_id: runId(1),
    experiment: 'iris',
    status: 'Running' as const,
    progress: null
  };
  page.emit({ ...event, ...(changes as object) });
  expect(seen).toEqual([]);
  page.emit(event);
  expect(seen).toHaveLength(1);
});

test('a page that comes back into view fetches what it may have missed', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  const page = new Page(server, HOUR);
  const { watched } = page.context.feed.watch(runId(1));
  await vi.waitFor(() => expect(watched.run).not.toBeNull());
  let resyncs = 0;
  page.context.feed.resync.connect(() => (resyncs += 1));
  server.change(runId(1), { status: 'Failed', ended_at: 9 });
  document.dispatchEvent(new Event('visibilitychange'));
  expect(resyncs).toBe(1);
  await vi.waitFor(() => expect(watched.run?.status).toBe('Failed'));
});

test('a server that comes back makes everything be fetched again', async () => {
  const server = new FakeServer();
  server.add(makeLiveRun());
  const { feed } = new Page(server, 5).context;
  const { watched } = feed.watch(runId(1));
  await vi.waitFor(() => expect(watched.run).not.toBeNull());
  let resyncs = 0;
  feed.resync.connect(() => (resyncs += 1));
  server.unreachable = true;
  await vi.waitFor(() => expect(watched.error?.code).toBe('unreachable'));
  server.unreachable = false;
  await vi.waitFor(() => expect(resyncs).toBe(1), { timeout: 5000 });
  expect(watched.error).toBeNull();
});

test('what an answer told is shown to all', () => {
  const page = new Page(new FakeServer(), HOUR);
  const { watched } = page.context.feed.watch(runId(1));
  page.context.feed.announce(makeRun({ status: 'CancelRequested' }));
  expect(watched.run?.status).toBe('CancelRequested');
});
