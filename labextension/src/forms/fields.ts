import type { TranslationBundle } from '@jupyterlab/translation';

import type { INotebookParameter, Json } from '../api/types';
import { parsePythonLiteral } from './pythonLiteral';

/** How a parameter is asked for. `json` takes anything JSON can say. */
export type FieldKind = 'int' | 'float' | 'bool' | 'str' | 'json';

/** One parameter in a form. What stays as it was is not sent: the notebook's own default holds then. */
export interface IField {
  name: string;
  kind: FieldKind;
  help: string;
  /** The default as the notebook writes it; shown where it could not be read as a value. */
  source: string;
  initial: string;
  text: string;
}

/** The form for a notebook's parameters cell. */
export function fieldsFromNotebook(parameters: INotebookParameter[]): IField[] {
  return parameters.map(parameter => {
    const value = parsePythonLiteral(parameter.default);
    const kind = kindOf(parameter.type, value);
    const initial = value === undefined ? '' : textOf(value, kind);
    return {
      name: parameter.name,
      kind,
      help: parameter.help,
      source: parameter.default,
      initial,
      text: initial
    };
  });
}

/** The form for the parameters a run had. */
export function fieldsFromValues(values: Record<string, unknown>): IField[] {
  return Object.entries(values).map(([name, value]) => {
    const kind = kindOf('', value);
    const initial = textOf(value, kind);
    return { name, kind, help: '', source: initial, initial, text: initial };
  });
}

/** The changed values, or by field name what is wrong with them. */
export function readFields(
  fields: IField[],
  trans: TranslationBundle
): { values: Record<string, Json>; problems: Map<string, string> } {
  const values: [string, Json][] = [];
  const problems = new Map<string, string>();
  for (const field of fields.filter(candidate => candidate.text !== candidate.initial)) {
    const value = valueOf(field);
    if (value === undefined) {
      problems.set(field.name, problemOf(field.kind, trans));
    } else {
      values.push([field.name, value]);
    }
  }
  return { values: Object.fromEntries(values), problems };
}

function kindOf(type: string, value: unknown): FieldKind {
  // Type hints may be longer than a word: "int", "Optional[int]", "List[str]".
  const named = (['int', 'float', 'bool', 'str'] as const).find(kind => kind === type);
  if (named !== undefined && (value === undefined || fits(named, value))) {
    return named;
  }
  if (typeof value === 'boolean') {
    return 'bool';
  }
  if (typeof value === 'number') {
    return Number.isInteger(value) ? 'int' : 'float';
  }
  return typeof value === 'string' ? 'str' : 'json';
}

function fits(kind: FieldKind, value: unknown): boolean {
  const wanted = { int: 'number', float: 'number', bool: 'boolean', str: 'string', json: '' };
  return typeof value === wanted[kind];
}

function textOf(value: unknown, kind: FieldKind): string {
  return kind === 'str' && typeof value === 'string' ? value : JSON.stringify(value);
}

function valueOf(field: IField): Json | undefined {
  const text = field.text.trim();
  switch (field.kind) {
    case 'str':
      return field.text;
    case 'bool':
      return field.text === 'true';
    case 'int':
      return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))
        ? Number(text)
        : undefined;
    case 'float':
      return text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
    case 'json':
      return parseJson(text);
  }
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Who writes a list the Python way means the same.
    return parsePythonLiteral(text);
  }
}

function problemOf(kind: FieldKind, trans: TranslationBundle): string {
  switch (kind) {
    case 'int':
      return trans.__('A whole number is needed, such as 10.');
    case 'float':
      return trans.__('A number is needed, such as 0.1 or 1e-3.');
    default:
      return trans.__('JSON is needed, such as [1, 2], {"a": 1} or "text".');
  }
}
