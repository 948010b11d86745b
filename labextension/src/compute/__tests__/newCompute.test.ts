import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import { makeSize } from '../../testing/computes';
import { initialTexts, readNewCompute, type NewKind } from '../newCompute';

const trans = nullTranslator.load('jupyter_aml');
const SIZES = [makeSize({ name: 'STANDARD_BIG', fits: false }), makeSize()];

function read(kind: NewKind, changes: Record<string, string>, taken: string[] = []) {
  const texts = new Map([...initialTexts(kind, SIZES), ...Object.entries(changes)]);
  return readNewCompute(kind, texts, taken, trans);
}

test('a name and nothing else makes a compute that fits', () => {
  const instance = read('instance', { name: 'ci-ada' });
  expect(instance.problems.size).toBe(0);
  expect(instance.compute).toMatchObject({
    kind: 'instance',
    name: 'ci-ada',
    size: 'STANDARD_DS1_V2',
    idle_seconds: 3600
  });
  const cluster = read('cluster', { name: 'cpu-cluster' });
  expect(cluster.problems.size).toBe(0);
  expect(cluster.compute).toMatchObject({ min_nodes: 0, max_nodes: 2, priority: 'dedicated' });
});

test.each([
  '',
  'ab',
  '2fast',
  '-ab',
  'abc-',
  'a_b',
  'a b c',
  'ünder',
  'local',
  'LOCAL',
  'a'.repeat(25)
])('%j cannot name a compute', name => {
  expect(read('instance', { name }).problems.has('name')).toBe(true);
});

test.each(['abc', 'A-1', 'cpu-cluster', 'a'.repeat(24)])('%j can', name => {
  expect(read('instance', { name }).problems.has('name')).toBe(false);
});

test('a name that is taken is refused, however it is written', () => {
  const { problems } = read('cluster', { name: 'CPU-Cluster' }, ['cpu-cluster']);
  expect(problems.get('name')).toContain('already');
});

test('cores and memory count only where no size is chosen', () => {
  const named = read('cluster', { name: 'abc', cpus: 'x', memory: 'y' });
  expect(named.problems.size).toBe(0);
  const plain = read('cluster', { name: 'abc', size: 'custom', cpus: 'x', memory: '4' });
  expect([...plain.problems.keys()].sort()).toEqual(['cpus', 'memory']);
  const half = read('cluster', { name: 'abc', size: 'custom', cpus: '0.5', memory: '512 MiB' });
  expect(half.problems.size).toBe(0);
  expect(half.compute).toMatchObject({ cpus: 0.5, memory: '512 MiB' });
  expect(half.compute).not.toHaveProperty('size');
});

test('an instance without an idle time is never stopped', () => {
  expect(read('instance', { name: 'abc', idle_minutes: '' }).compute.idle_seconds).toBeNull();
  expect(read('instance', { name: 'abc', idle_minutes: '0' }).problems.has('idle_minutes')).toBe(
    true
  );
});

test.each([
  [{ min_nodes: '3', max_nodes: '2' }, 'max_nodes'],
  [{ max_nodes: '0' }, 'max_nodes'],
  [{ min_nodes: '-1' }, 'min_nodes'],
  [{ idle_seconds: '' }, 'idle_seconds']
])('nodes as in %j are refused', (changes, name) => {
  expect([...read('cluster', { name: 'abc', ...changes }).problems.keys()]).toEqual([name]);
});

test('where no size fits, cores and memory are asked for', () => {
  const none = [makeSize({ fits: false })];
  expect(initialTexts('instance', none).get('size')).toBe('custom');
});
