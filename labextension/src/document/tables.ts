import { list, record } from '../api/decode';

/** A table to draw; with `heat` its numbers are shaded (a confusion matrix). */
export interface IValueTable {
  columns: string[];
  rows: { label: string; cells: unknown[] }[];
  heat: boolean;
}

/** What was logged as a table: Azure's shapes of lists, rows, tables and confusion matrices. */
export function asTable(kind: string, value: unknown): IValueTable | null {
  switch (kind) {
    case 'confusion_matrix':
      return confusionMatrix(value);
    case 'list':
      return listTable(value);
    case 'row':
    case 'table':
      return Array.isArray(value) ? rowsTable(list(value)) : columnsTable(value);
    default:
      return null;
  }
}

function confusionMatrix(value: unknown): IValueTable | null {
  const data = record(record(value)?.data) ?? record(value);
  const matrix = list(data?.matrix).map(row => list(row));
  const labels = list(data?.class_labels).map(plain);
  if (matrix.length === 0) {
    return null;
  }
  return {
    columns: matrix.map((_, index) => labels[index] ?? String(index)),
    rows: matrix.map((cells, index) => ({ label: labels[index] ?? String(index), cells })),
    heat: true
  };
}

function listTable(value: unknown): IValueTable | null {
  if (!Array.isArray(value)) {
    return null;
  }
  const rows = list(value).map((cell, index) => ({ label: String(index), cells: [cell] }));
  return { columns: [''], rows, heat: false };
}

/** A list of rows, each a map of columns. */
function rowsTable(value: unknown[]): IValueTable {
  const records = value.map(row => record(row) ?? { '': row });
  const columns = [...new Set(records.flatMap(row => Object.keys(row)))];
  const rows = records.map((row, index) => ({
    label: String(index),
    cells: columns.map(column => row[column] ?? null)
  }));
  return { columns, rows, heat: false };
}

/** A map of columns, each a list (a table) or one value (a row). */
function columnsTable(value: unknown): IValueTable | null {
  const entries = Object.entries(record(value) ?? {});
  if (entries.length === 0) {
    return null;
  }
  const columns = entries.map(([, column]) => (Array.isArray(column) ? list(column) : [column]));
  const height = Math.max(...columns.map(column => column.length));
  const rows = Array.from({ length: height }, (_, index) => ({
    label: String(index),
    cells: columns.map(column => column[index] ?? null)
  }));
  return { columns: entries.map(([name]) => name), rows, heat: false };
}

/** A cell's text. */
export function plain(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}
