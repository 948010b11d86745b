import { useCallback, useMemo, type ReactElement } from 'react';

import { list, record, string } from '../api/decode';
import type { IMetric } from '../api/types';
import { useLoaded } from '../live/hooks';
import { visible } from '../text/ansi';
import { useAml } from '../ui/context';
import { ImageBytes } from '../ui/imageBytes';
import { ErrorMessage, Loading, Note } from '../ui/messages';
import { MetricChart } from '../ui/metricChart';
import type { ISeries } from '../ui/plot';
import { imageType } from './fileContent';
import { ValueTable } from './valueTable';
import { asTable } from './tables';

/** What was logged and is no number: an image, a table, a matrix, a list, a text. */
export function LoggedObject(props: { runId: string; metric: IMetric }): ReactElement {
  const { runId, metric } = props;
  return (
    <section className="jp-aml-object">
      <h3>
        <bdi>{visible(metric.name)}</bdi>
      </h3>
      <ObjectValue runId={runId} metric={metric} />
    </section>
  );
}

function ObjectValue({ runId, metric }: { runId: string; metric: IMetric }): ReactElement {
  const value = metric.value ?? null;
  const path = metric.kind === 'image' ? imagePath(value) : null;
  if (path !== null) {
    return <LoggedImage runId={runId} path={path} />;
  }
  return metric.kind === 'row' && metric.count > 1 ? (
    <LoggedRows runId={runId} metric={metric} />
  ) : (
    <PlainValue name={metric.name} kind={metric.kind} value={value} />
  );
}

function PlainValue(props: { name: string; kind: string; value: unknown }): ReactElement {
  const { name, kind, value } = props;
  const series = useMemo(
    () => (kind === 'list' ? listSeries(name, value) : null),
    [name, kind, value]
  );
  if (series !== null) {
    return <MetricChart name={name} series={series} />;
  }
  const table = asTable(kind, value);
  if (table !== null) {
    return <ValueTable table={table} />;
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return <pre className="jp-aml-text">{visible(text)}</pre>;
}

/** Rows logged one by one under one name make one table. */
function LoggedRows({ runId, metric }: { runId: string; metric: IMetric }): ReactElement {
  const { client } = useAml();
  const load = useCallback(
    () => client.metricValues(runId, metric.name),
    // Asked again when a row was added.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, runId, metric.name, metric.count]
  );
  const { value: rows, error } = useLoaded(load);
  if (rows === null) {
    return error ? <ErrorMessage error={error} /> : <Loading />;
  }
  return <PlainValue name={metric.name} kind="row" value={rows} />;
}

/** A list of numbers is a line over its positions. */
function listSeries(name: string, value: unknown): ISeries[] | null {
  const numbers = list(value).filter(item => typeof item === 'number');
  if (numbers.length < 2 || numbers.length < list(value).length) {
    return null;
  }
  return [{ label: name, steps: numbers.map((_, index) => index), values: numbers }];
}

/** An image is logged as the path of one of the run's own files. */
function imagePath(value: unknown): string | null {
  return string(record(value)?.artifact);
}

function LoggedImage({ runId, path }: { runId: string; path: string }): ReactElement {
  const { client, trans } = useAml();
  const load = useCallback(() => client.fileBytes(runId, 'artifacts', path), [client, runId, path]);
  const { value: bytes, error } = useLoaded(load);
  if (bytes === null) {
    return error ? <ErrorMessage error={error} /> : <Loading />;
  }
  const type = imageType(bytes);
  return type === null ? (
    <Note>{trans.__('%1 is not a PNG or JPEG image; see Outputs.', visible(path))}</Note>
  ) : (
    <ImageBytes bytes={bytes} type={type} alt={visible(path)} />
  );
}
