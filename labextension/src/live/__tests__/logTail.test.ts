import { expect, test } from 'vitest';

import { AmlClient } from '../../api/client';
import { FakeServer } from '../../testing/fakeServer';
import { makeLiveRun, runId } from '../../testing/runs';
import { LogTail } from '../logTail';

const STREAM = 'user_logs/std_log.txt';

function tailOf(server: FakeServer, tailBytes?: number): LogTail {
  server.add(makeLiveRun());
  return new LogTail(new AmlClient(server.settings), runId(1), STREAM, tailBytes);
}

test('what is appended is read once, to the end of the run', async () => {
  const server = new FakeServer();
  const tail = tailOf(server);
  server.logs.set(runId(1), 'one\n');
  await tail.advance();
  server.logs.set(runId(1), 'one\ntwo é\n');
  await tail.advance();
  expect(tail.text).toBe('one\ntwo é\n');
  expect(tail.isComplete).toBe(false);
  server.change(runId(1), { ended_at: 9 });
  await tail.advance();
  expect(tail.isComplete).toBe(true);
  const before = server.requests.length;
  await tail.advance();
  expect(server.requests.length).toBe(before);
});

test('a long log begins near its end; earlier lines come on demand', async () => {
  const server = new FakeServer();
  const lines = Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join('');
  const tail = tailOf(server, 90);
  server.logs.set(runId(1), lines);
  await tail.advance();
  expect(tail.text).not.toContain('line 50');
  expect(tail.hasEarlier).toBe(true);
  await tail.loadEarlier();
  expect(tail.text).toBe(lines);
  expect(tail.hasEarlier).toBe(false);
});

test('a log of many megabytes does not fill the page', async () => {
  const server = new FakeServer();
  const tail = tailOf(server);
  server.logs.set(runId(1), 'x');
  await tail.advance();
  server.logs.set(runId(1), 'x'.repeat(4_000_000) + 'the end');
  for (let count = 0; count < 6; count++) {
    await tail.advance();
  }
  expect(tail.text.endsWith('the end')).toBe(true);
  expect(tail.text.length).toBeLessThan(1_100_000);
  expect(tail.hasEarlier).toBe(true);
});

test('a failure is told, and the next call goes on where the last one ended', async () => {
  const server = new FakeServer();
  const tail = tailOf(server);
  server.logs.set(runId(1), 'one\n');
  await tail.advance();
  server.unreachable = true;
  await expect(tail.advance()).rejects.toThrow();
  expect(tail.error?.code).toBe('unreachable');
  server.unreachable = false;
  server.logs.set(runId(1), 'one\ntwo\n');
  await tail.advance();
  expect(tail.error).toBeNull();
  expect(tail.text).toBe('one\ntwo\n');
});
