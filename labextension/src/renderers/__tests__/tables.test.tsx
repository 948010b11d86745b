import { screen, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test } from 'vitest';

import { FakeServer } from '../../testing/fakeServer';
import { FOREIGN, HOSTILE } from '../../testing/payloads';
import { Page } from '../../testing/render';
import { makeRun, runId } from '../../testing/runs';
import { Comparison } from '../comparison';
import { RunTable } from '../runTable';

const RUNS = [
  makeRun({ id: runId(1), display_name: 'first', metrics: { rmse: 0.5 }, params: { alpha: '1' } }),
  makeRun({
    id: runId(2),
    display_name: 'second',
    metrics: { rmse: 0.1 },
    params: { alpha: '10' }
  }),
  makeRun({ id: runId(3), display_name: 'third', metrics: {}, params: { alpha: '9' } })
];

function names(): (string | null)[] {
  const rows = screen.getAllByRole('row').slice(1);
  return rows.map(row => within(row).getByRole('rowheader').textContent);
}

test('the table shows the runs, opens them, and sorts by a column', async () => {
  const server = new FakeServer();
  RUNS.forEach(run => server.add(run));
  const page = new Page(server);
  const data = { run_ids: RUNS.map(run => run.id), workspace_id: 'workspace-here', snapshot: [] };
  page.render(<RunTable data={data} />);
  await screen.findByRole('button', { name: 'first' });
  expect(names()).toEqual(['first', 'second', 'third']);
  expect(server.requests.filter(request => request.path.startsWith('runs/'))).toHaveLength(1);

  await userEvent.click(screen.getByRole('button', { name: 'rmse' }));
  expect(names()).toEqual(['second', 'first', 'third']);
  await userEvent.click(screen.getByRole('button', { name: 'rmse' }));
  expect(names()).toEqual(['first', 'second', 'third']);
  await userEvent.click(screen.getByRole('button', { name: 'alpha' }));
  expect(names()).toEqual(['first', 'third', 'second']);

  await userEvent.click(screen.getByRole('button', { name: 'second' }));
  expect(page.opened).toEqual([runId(2)]);
});

test('runs that are gone are counted, the others shown', async () => {
  const server = new FakeServer();
  server.add(RUNS[0] ?? makeRun());
  const data = { run_ids: [runId(1), runId(9)], workspace_id: 'workspace-here', snapshot: RUNS };
  new Page(server).render(<RunTable data={data} />);
  await screen.findByText('1 run is no longer in this workspace.');
  expect(names()).toEqual(['first']);
});

test('a comparison puts parameters and metrics of the runs side by side', async () => {
  const server = new FakeServer();
  RUNS.slice(0, 2).forEach(run => server.add(run));
  server.histories.set(`${runId(1)}/rmse`, [0.9, 0.5]);
  server.histories.set(`${runId(2)}/rmse`, [0.8, 0.1]);
  const data = { run_ids: [runId(1), runId(2)], workspace_id: 'workspace-here', snapshot: [] };
  new Page(server).render(<Comparison data={data} />);
  const alpha = await screen.findByRole('row', { name: 'alpha 1 10' });
  expect(alpha.getAttribute('data-differs')).toBe('true');
  // Without a canvas the values stand in a table.
  await screen.findByRole('row', { name: '1 0.5 0.1' });
});

test('a comparison of another workspace draws the saved points', async () => {
  const snapshot = RUNS.slice(0, 2).map(run => ({
    run,
    history: { rmse: { steps: [0, 5], values: [1, 'NaN'] } }
  }));
  const data = { run_ids: [runId(1)], workspace_id: 'elsewhere', snapshot };
  new Page(new FakeServer()).render(<Comparison data={data} />);
  await screen.findByText(/From another workspace/);
  await screen.findByRole('row', { name: '5 NaN NaN' });
  expect(screen.getByText('2 points are not finite numbers and are not drawn.')).toBeTruthy();
});

test.each(HOSTILE)('tables of runs named %s stay text', async text => {
  const run = makeRun({ display_name: text, params: { [text]: text }, metrics: { [text]: 1 } });
  const snapshot = [run];
  const page = new Page(new FakeServer());
  const table = page.render(<RunTable data={{ run_ids: [], workspace_id: null, snapshot }} />);
  const compared = page.render(
    <Comparison
      data={{
        run_ids: [],
        workspace_id: null,
        snapshot: [{ run, history: { [text]: { steps: [0, 1], values: [1, 2] } } }]
      }}
    />
  );
  expect((await screen.findAllByText(text)).length).toBeGreaterThan(4);
  for (const { container } of [table, compared]) {
    expect(container.querySelector(`${FOREIGN}, img, a`)).toBeNull();
  }
});
