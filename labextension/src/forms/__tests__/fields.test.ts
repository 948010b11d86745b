import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';

import { fieldsFromNotebook, readFields } from '../fields';
import { parsePythonLiteral } from '../pythonLiteral';

const trans = nullTranslator.load('jupyter_aml');

test.each([
  ['0.1', 0.1],
  ['-1_000', -1000],
  ['1e-3', 0.001],
  ['True', true],
  ['None', null],
  ["'a\\'b\\n'", "a'b\n"],
  ['"x"  # a comment', 'x'],
  ['[1, 2,]', [1, 2]],
  ['(1, "a")', [1, 'a']],
  ['(1)', 1],
  ["{'a': [True, None], 'b': {}}", { a: [true, null], b: {} }],
  ["{'__proto__': 1}", JSON.parse('{"__proto__": 1}')]
])('the literal %s is read', (source, value) => {
  expect(parsePythonLiteral(source)).toEqual(value);
});

test.each([
  'os.getcwd()',
  'f"{x}"',
  "r'\\d'",
  '1 + 1',
  '[1, 2',
  "'''a'''",
  '',
  'nan',
  '"\\x41"',
  '['.repeat(1000)
])('what is no plain literal (%s) is left alone', source => {
  expect(parsePythonLiteral(source)).toBeUndefined();
});

function parameter(
  name: string,
  source: string,
  type = ''
): Parameters<typeof fieldsFromNotebook>[0][0] {
  return { name, default: source, type, help: '' };
}

test('only what was changed is sent, with its type', () => {
  const fields = fieldsFromNotebook([
    parameter('alpha', '0.1', 'float'),
    parameter('epochs', '10'),
    parameter('verbose', 'True'),
    parameter('model', "'ridge'"),
    parameter('layers', '[64, 32]', 'List[int]'),
    parameter('path', 'os.getcwd()')
  ]);
  expect(fields.map(field => field.kind)).toEqual(['float', 'int', 'bool', 'str', 'json', 'json']);
  expect(readFields(fields, trans).values).toEqual({});
  const typed = ['1', '20', 'false', '007', "['a', None]", '"/data"'];
  const changed = fields.map((field, index) => ({ ...field, text: typed[index] ?? '' }));
  const { values, problems } = readFields(changed, trans);
  expect(problems.size).toBe(0);
  expect(values).toEqual({
    alpha: 1,
    epochs: 20,
    verbose: false,
    model: '007',
    layers: ['a', null],
    path: '/data'
  });
});

test.each([
  ['int', '10', '1.5'],
  ['int', '10', ''],
  ['float', '0.1', 'much'],
  ['float', '0.1', 'Infinity'],
  ['list', '[1]', '[1,']
])('a wrong %s is refused by name', (type, source, text) => {
  const [field] = fieldsFromNotebook([parameter('alpha', source, type)]);
  const { values, problems } = readFields(field ? [{ ...field, text }] : [], trans);
  expect(values).toEqual({});
  expect([...problems.keys()]).toEqual(['alpha']);
});

test('a hint that contradicts the default does not spoil the default', () => {
  const [field] = fieldsFromNotebook([parameter('alpha', 'None', 'float')]);
  expect(field).toMatchObject({ kind: 'json', text: 'null' });
});
