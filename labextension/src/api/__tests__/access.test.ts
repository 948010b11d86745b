import { expect, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { Access, type Deed } from '../access';

const DEEDS: Deed[] = ['cancel', 'rerun', 'submit', 'changeCompute', 'runCompute'];

async function ask(server: FakeServer): Promise<Deed[]> {
  const access = new Access(server.settings);
  expect(DEEDS.filter(deed => access.may(deed))).toEqual([]);
  await new Promise(resolve => access.changed.connect(resolve));
  return DEEDS.filter(deed => access.may(deed));
}

test('Jupyter is asked for the actions and resources of the requests themselves', async () => {
  const server = new FakeServer();
  expect(await ask(server)).toEqual(DEEDS);
  const asked = server.requests[0]?.query.get('permissions') ?? '';
  expect(JSON.parse(asked)).toEqual({
    'aml.runs': ['write'],
    'aml.jobs': ['write'],
    'aml.compute': ['write', 'execute']
  });
});

test('each deed stands on its own resource and action', async () => {
  const server = new FakeServer();
  server.granted.set('aml.jobs', []);
  server.granted.set('aml.compute', ['execute']);
  expect(await ask(server)).toEqual(['cancel', 'runCompute']);
  server.granted.clear();
  expect(await ask(server)).toEqual([]);
});

test('where nobody can tell, everything may be tried', async () => {
  const server = new FakeServer();
  server.unreachable = true;
  expect(await ask(server)).toEqual(DEEDS);
});
