import { Notification } from '@jupyterlab/apputils';
import { beforeEach, expect, test, vi } from 'vitest';

import { makeInstance } from '../../testing/computes';
import { FakeServer } from '../../testing/fakeServer';
import { Page } from '../../testing/render';
import { Notices } from '../notices';

const WARNING = 'ci-ada will be stopped in 1 min 00 s because it is idle.';
let server: FakeServer;
let page: Page;

beforeEach(() => {
  Notification.dismiss();
  server = new FakeServer();
  server.computes.add(makeInstance({ stops_at: 5_000 }));
  page = new Page(server);
  page.stream.connect(new Notices(page.context).onEmission);
});

async function notice(): Promise<Notification.INotification> {
  return vi.waitFor(() => {
    const [first, ...rest] = Notification.manager.notifications;
    expect(rest).toEqual([]);
    if (first === undefined) {
      throw new Error('There is no notification.');
    }
    return first;
  });
}

function press(found: Notification.INotification, label: string): void {
  const action = found.options.actions?.find(candidate => candidate.label === label);
  action?.callback(new MouseEvent('click'));
}

test('an idle instance about to be stopped can be kept on', async () => {
  page.emitCompute({ compute: 'ci-ada', state: 'Running', message: WARNING });
  const found = await notice();
  expect(found.message).toBe(WARNING);
  press(found, 'Keep on');
  await vi.waitFor(() => expect(server.count('POST', 'computes/ci-ada/activity')).toBe(1));
  expect(Notification.manager.notifications).toEqual([]);
});

test('what is used again, or off, is warned of no longer', async () => {
  page.emitCompute({ compute: 'ci-ada', state: 'Running', message: WARNING });
  await notice();
  server.computes.change('ci-ada', { stops_at: null });
  page.emitCompute({ compute: 'ci-ada', state: 'Running' });
  await vi.waitFor(() => expect(Notification.manager.notifications).toEqual([]));
});

test('a stop by schedule is told, but using the instance does not put it off', async () => {
  server.computes.change('ci-ada', { next_actions: [{ action: 'stop', at: 5_000 }] });
  page.emitCompute({ compute: 'ci-ada', state: 'Running', message: WARNING });
  const found = await notice();
  expect(found.options.actions?.map(action => action.label)).toEqual(['Show']);
});

test('a kernel that ended for want of memory is told of, and leads to its instance', async () => {
  server.computes.change('ci-ada', { stops_at: null });
  const message = 'A kernel on ci-ada needed more than its 2 GiB of memory, and was ended.';
  page.emitCompute({ compute: 'ci-ada', state: 'Running', message });
  const found = await notice();
  expect(found.message).toBe(message);
  expect(found.type).toBe('warning');
  press(found, 'Show');
  expect(page.openedComputes).toEqual(['ci-ada']);
});

test('a change of state alone is no news', async () => {
  page.emitCompute({ compute: 'ci-ada', state: 'Stopped' });
  await new Promise(resolve => setTimeout(resolve, 20));
  expect(Notification.manager.notifications).toEqual([]);
});
