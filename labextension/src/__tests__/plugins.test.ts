import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MimeModel, RenderMimeRegistry } from '@jupyterlab/rendermime';
import { Signal } from '@lumino/signaling';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { screen } from '@testing-library/react';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';

import { Access } from '../api/access';
import { AmlClient } from '../api/client';
import { computePlugin } from '../compute/plugin';
import { runDocumentPlugin } from '../document/plugin';
import plugins from '../index';
import { instancesPlugin } from '../instances/plugin';
import { RunFeed } from '../live/runFeed';
import { notebookPlugin } from '../notebook/plugin';
import { RUN_MIME } from '../renderers/data';
import { renderersPlugin } from '../renderers/plugin';
import { sidebarPlugin } from '../sidebar/plugin';
import { FakeServer } from '../testing/fakeServer';
import { makeRun, runId } from '../testing/runs';
import { CommandIDs } from '../tokens';

/** The least an application gives a plugin: commands, a shell, and its server. */
class BareApp {
  constructor(readonly server: FakeServer) {
    this.client = new AmlClient(server.settings);
    this.access = new Access(server.settings);
    this.feed = new RunFeed({ client: this.client });
    onTestFinished(() => this.feed.dispose());
  }

  readonly client: AmlClient;
  readonly access: Access;
  readonly feed: RunFeed;
  readonly commands = new CommandRegistry();
  readonly added: { widget: Widget; area: string }[] = [];
  readonly shell = {
    add: (widget: Widget, area: string) => {
      this.added.push({ widget, area });
      Widget.attach(widget, document.body);
      onTestFinished(() => widget.dispose());
    },
    activateById: () => undefined
  };
  readonly serviceManager = { contents: {}, events: { stream: new Signal(this) } };

  get app(): JupyterFrontEnd {
    return this as unknown as JupyterFrontEnd;
  }
}

test('every plugin says what it is and stands alone', () => {
  expect(plugins.map(plugin => plugin.id)).toEqual([
    'jupyter-aml:api',
    'jupyter-aml:access',
    'jupyter-aml:events',
    'jupyter-aml:sidebar',
    'jupyter-aml:run-document',
    'jupyter-aml:renderers',
    'jupyter-aml:notebook',
    'jupyter-aml:compute',
    'jupyter-aml:instances'
  ]);
  plugins.forEach(plugin => expect(plugin.description).toBeTruthy());
});

test('without anything optional the sidebar, the document and submitting still come up', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  const bare = new BareApp(server);
  await sidebarPlugin.activate(bare.app, bare.client, bare.access, bare.feed, null, null, null);
  await runDocumentPlugin.activate(bare.app, bare.client, bare.access, bare.feed, null, null, null);
  await notebookPlugin.activate(
    bare.app,
    bare.client,
    bare.access,
    bare.feed,
    null,
    null,
    null,
    null
  );
  expect(bare.added.map(item => item.widget.id)).toEqual(['jupyter-aml-sidebar']);
  expect(bare.commands.isEnabled(CommandIDs.submitNotebook)).toBe(false);

  await bare.commands.execute(CommandIDs.openRun, { run_id: runId(1) });
  await bare.commands.execute(CommandIDs.openRun, { run_id: runId(1) });
  // Notebook 7 has no second place in its main area.
  expect(bare.added.map(item => item.area)).toEqual(['left', 'right']);
  await screen.findByRole('heading', { name: 'brisk otter' });
  expect(bare.added[1]?.widget.title.label).toBe('brisk otter');
});

test.each(['', '../x', 7])('what is no run id (%s) is not opened', async id => {
  const bare = new BareApp(new FakeServer());
  await runDocumentPlugin.activate(bare.app, bare.client, bare.access, bare.feed, null, null, null);
  await expect(bare.commands.execute(CommandIDs.openRun, { run_id: id })).rejects.toThrow('32 hex');
});

test('run cards are drawn in untrusted notebooks too', async () => {
  const server = new FakeServer();
  server.add(makeRun());
  const bare = new BareApp(server);
  const registry = new RenderMimeRegistry();
  await renderersPlugin.activate(bare.app, registry, bare.client, bare.access, bare.feed, null);
  const data = {
    [RUN_MIME]: { run_id: runId(1), workspace_id: 'workspace-here', snapshot: null },
    'text/html': '<b>static</b>'
  };
  expect(registry.preferredMimeType(data, 'ensure')).toBe(RUN_MIME);
  const renderer = registry.createRenderer(RUN_MIME);
  Widget.attach(renderer, document.body);
  onTestFinished(() => renderer.dispose());
  await renderer.renderModel(new MimeModel({ data }));
  await screen.findByText('brisk otter');
});

test('submitting is there for who may, and only for them', async () => {
  for (const grant of [['write'], []]) {
    const server = new FakeServer();
    server.granted.set('aml.jobs', grant);
    const { app, client, access, feed, commands } = new BareApp(server);
    await notebookPlugin.activate(app, client, access, feed, null, null, null, null);
    expect(commands.isVisible(CommandIDs.submitNotebook)).toBe(false);
    await vi.waitFor(() => expect(server.count('GET', '/api/me')).toBe(1));
    const told = new Promise(resolve => access.changed.connect(resolve));
    await told;
    expect(commands.isVisible(CommandIDs.submitNotebook)).toBe(grant.length > 0);
  }
});

test('each command is described, and the toolbar and menu name commands that exist', async () => {
  const bare = new BareApp(new FakeServer());
  await sidebarPlugin.activate(bare.app, bare.client, bare.access, bare.feed, null, null, null);
  await runDocumentPlugin.activate(bare.app, bare.client, bare.access, bare.feed, null, null, null);
  await notebookPlugin.activate(
    bare.app,
    bare.client,
    bare.access,
    bare.feed,
    null,
    null,
    null,
    null
  );
  await computePlugin.activate(
    bare.app,
    bare.client,
    bare.access,
    bare.feed,
    null,
    null,
    null,
    null,
    null
  );
  await instancesPlugin.activate(bare.app, null);
  for (const id of Object.values(CommandIDs)) {
    expect((await bare.commands.describedBy(id)).args).toBeTruthy();
  }
  const schema = readFileSync('schema/notebook.json', 'utf-8');
  const named = [...schema.matchAll(/"command": "([^"]+)"/g)].map(match => match[1]);
  expect(named).toHaveLength(2);
  named.forEach(id => expect(bare.commands.hasCommand(id ?? '')).toBe(true));
});
