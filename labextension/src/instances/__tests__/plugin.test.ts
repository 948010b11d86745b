import type { JupyterFrontEnd } from '@jupyterlab/application';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { expect, test, vi } from 'vitest';

import { COMPUTE_EVENT_SCHEMA, RUN_EVENT_SCHEMA } from '../../live/events';
import { CommandIDs } from '../../tokens';
import { connectLine, instancesPlugin } from '../plugin';

const SPECS = { 'aml-ci-ada': { argv: ['/opt/the env/bin/python', '-m', 'ipykernel_launcher'] } };

function activated() {
  const owner = {};
  const stream = new Signal<object, unknown>(owner);
  const refreshSpecs = vi.fn(() => Promise.resolve());
  const commands = new CommandRegistry();
  const specs = { kernelspecs: SPECS };
  const serviceManager = { events: { stream }, kernelspecs: { refreshSpecs, specs } };
  void instancesPlugin.activate({ commands, serviceManager } as unknown as JupyterFrontEnd, null);
  return { stream, refreshSpecs, commands };
}

test('the kernels are read again when something happened to computes, once for many events', async () => {
  const { stream, refreshSpecs } = activated();
  stream.emit({ schema_id: RUN_EVENT_SCHEMA, run_id: '0'.repeat(32), status: 'Running' });
  for (const state of ['Creating', 'Running']) {
    stream.emit({ schema_id: COMPUTE_EVENT_SCHEMA, compute: 'ci-ada', state, message: null });
  }
  await vi.waitFor(() => expect(refreshSpecs).toHaveBeenCalled());
  expect(refreshSpecs).toHaveBeenCalledTimes(1);
});

test('a terminal is opened and connects with the Python of the instance', async () => {
  const { commands } = activated();
  expect(commands.isVisible(CommandIDs.openTerminal)).toBe(false);
  const send = vi.fn();
  const owner = {};
  const session = {
    send,
    connectionStatus: 'connecting',
    connectionStatusChanged: new Signal<object, string>(owner)
  };
  // eslint-disable-next-line jupyter/command-described-by -- it stands for Lab's own
  commands.addCommand('terminal:create-new', { execute: () => ({ content: { session } }) });
  expect(commands.isVisible(CommandIDs.openTerminal)).toBe(true);

  const opened = commands.execute(CommandIDs.openTerminal, { name: 'ci-ada' });
  await Promise.resolve();
  expect(send).not.toHaveBeenCalled();
  await vi.waitFor(() => {
    session.connectionStatusChanged.emit('connected');
    expect(send).toHaveBeenCalled();
  });
  await opened;
  const line = "'/opt/the env/bin/python' -m jupyter_aml compute connect -n ci-ada\r";
  expect(send).toHaveBeenCalledWith({ type: 'stdin', content: [line] });
});

test('without its kernel, the program on the path is taken', () => {
  expect(connectLine('ci-bob', SPECS)).toBe('aml compute connect -n ci-bob\r');
  expect(connectLine('CI-ADA', SPECS)).toContain('-m jupyter_aml compute connect -n CI-ADA');
});
