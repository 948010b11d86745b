import { expect, onTestFinished, test, vi } from 'vitest';

import { makeCluster, makeInstance } from '../../testing/computes';
import { FakeServer } from '../../testing/fakeServer';
import { Page } from '../../testing/render';
import { ComputeList } from '../computeList';

const HOUR = 3_600_000;

function listOf(server: FakeServer, changes: { soon?: number; later?: number } = {}) {
  const page = new Page(server);
  const client = page.context.client.computes;
  const list = new ComputeList({
    client,
    stream: page.stream,
    soon: HOUR,
    later: HOUR,
    ...changes
  });
  onTestFinished(() => list.dispose());
  return { page, list };
}

test('nothing is asked before it is shown, nor after it is hidden', async () => {
  const server = new FakeServer();
  const { page, list } = listOf(server, { later: 20 });
  page.emitCompute({ compute: 'ci-ada', state: 'Running' });
  await new Promise(resolve => setTimeout(resolve, 60));
  expect(server.count('GET', 'computes')).toBe(0);

  list.setActive(true);
  await vi.waitFor(() => expect(server.count('GET', 'computes')).toBeGreaterThan(2));
  list.setActive(false);
  await new Promise(resolve => setTimeout(resolve, 60));
  const before = server.count('GET', 'computes');
  await new Promise(resolve => setTimeout(resolve, 100));
  expect(server.count('GET', 'computes')).toBe(before);
});

test('an event brings the new state', async () => {
  const server = new FakeServer();
  server.computes.add(makeInstance({ state: 'Creating' }));
  const { page, list } = listOf(server);
  list.setActive(true);
  await vi.waitFor(() => expect(list.find('ci-ada')?.state).toBe('Creating'));
  server.computes.change('ci-ada', { state: 'Running' });
  page.emitCompute({ compute: 'ci-ada', state: 'Running' });
  await vi.waitFor(() => expect(list.find('ci-ada')?.state).toBe('Running'));
});

test('without events it looks often while something is on its way', async () => {
  const server = new FakeServer();
  server.computes.add(makeCluster({ allocation_state: 'resizing' }));
  const { list } = listOf(server, { soon: 20 });
  list.setActive(true);
  await vi.waitFor(() => expect(server.count('GET', 'computes')).toBeGreaterThan(3));

  server.computes.change('cpu-cluster', { allocation_state: 'steady' });
  await vi.waitFor(() => expect(list.find('cpu-cluster')?.allocation_state).toBe('steady'));
  await new Promise(resolve => setTimeout(resolve, 60));
  const before = server.count('GET', 'computes');
  await new Promise(resolve => setTimeout(resolve, 100));
  expect(server.count('GET', 'computes')).toBe(before);
});

test('an event that tells of a beginning is the end of a long wait', async () => {
  const server = new FakeServer();
  server.computes.add(makeCluster());
  const { page, list } = listOf(server, { soon: 20 });
  list.setActive(true);
  await vi.waitFor(() => expect(list.computes).not.toBeNull());
  server.computes.change('cpu-cluster', { allocation_state: 'resizing' });
  page.emitCompute({ compute: 'cpu-cluster', state: 'Running' });
  await vi.waitFor(() => expect(server.count('GET', 'computes')).toBeGreaterThan(4));
});

test('a burst of events leads to few requests', async () => {
  const server = new FakeServer();
  const { page, list } = listOf(server);
  list.setActive(true);
  await vi.waitFor(() => expect(list.computes).not.toBeNull());
  const before = server.count('GET', 'computes');
  for (let number = 0; number < 50; number++) {
    page.emitCompute({ compute: 'cpu-cluster', state: 'Running' });
  }
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(server.count('GET', 'computes') - before).toBeLessThanOrEqual(2);
});

test('costs are summed over months and sizes', async () => {
  const server = new FakeServer();
  const item = { compute: 'ci-ada', kind: 'instance', user: 'ada', size: 'x', seconds: 1 };
  server.computes.usage = [
    { ...item, month: '2026-10', cost: 1.5 },
    { ...item, month: '2026-11', cost: 0.25 }
  ];
  const { list } = listOf(server);
  list.setActive(true);
  await vi.waitFor(() => expect(list.costs.get('ci-ada')).toBe(1.75));
});

test('what failed is kept until a look succeeds', async () => {
  const server = new FakeServer();
  server.unreachable = true;
  const { list } = listOf(server);
  list.setActive(true);
  await vi.waitFor(() => expect(list.error?.code).toBe('unreachable'));
  expect(list.computes).toBeNull();
  server.unreachable = false;
  await list.refresh();
  expect(list.error).toBeNull();
  expect(list.computes).toEqual([]);
});
