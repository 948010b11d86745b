import { expect, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { makeRun, runId } from '../../testing/runs';
import { AmlClient } from '../client';
import { ApiError, errorFromBody } from '../errors';

test("the server's words come through: message, code, hint", async () => {
  const server = new FakeServer();
  server.failures.set('experiments', {
    status: 422,
    code: 'bad_token',
    message: 'This page token is not ours.',
    hint: 'Begin at the first page.'
  });
  const failure: unknown = await new AmlClient(server.settings)
    .experiments({})
    .catch((e: unknown) => e);
  expect(failure).toBeInstanceOf(ApiError);
  expect(failure).toMatchObject({
    message: 'This page token is not ours.',
    code: 'bad_token',
    status: 422,
    hint: 'Begin at the first page.'
  });
});

test.each([
  [{ message: 'Forbidden', reason: null }, 'Forbidden'],
  [undefined, 'Bad Gateway'],
  [['<html>'], 'Bad Gateway'],
  [{ error: 'text' }, 'Bad Gateway']
])('an answer that is not ours (%j) still gives a message', (body, message) => {
  expect(errorFromBody(502, 'Bad Gateway', body).message).toBe(message);
});

test('paths are encoded segment by segment', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  const path = 'outputs/a b#?&%2e<img>.txt';
  server.files.set(`${runId(1)}/artifacts`, new Map([[path, new TextEncoder().encode('hi')]]));
  const client = new AmlClient(server.settings);
  const bytes = await client.fileBytes(runId(1), 'artifacts', path);
  expect(new TextDecoder().decode(bytes)).toBe('hi');
  const url = new URL(client.fileUrl(runId(1), 'artifacts', path));
  expect(url.search + url.hash).toBe('');
});

test('the workspace is asked once, and again after a failure', async () => {
  const server = new FakeServer();
  const client = new AmlClient(server.settings);
  server.unreachable = true;
  await expect(client.workspace()).rejects.toMatchObject({ code: 'unreachable' });
  server.unreachable = false;
  await client.workspace();
  await client.workspace();
  expect(server.count('GET', 'workspace')).toBe(2);
});
