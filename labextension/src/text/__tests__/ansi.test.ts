import { expect, test } from 'vitest';

import { segments, stripAnsi } from '../ansi';

test.each([
  ['colours', '\x1b[1;31merror\x1b[0m', 'error'],
  ['256 colours', '\x1b[38;5;241mgrey\x1b[39m', 'grey'],
  ['a link (OSC 8)', '\x1b]8;;http://evil.invalid\x07text\x1b]8;;\x07', 'text'],
  ['a link ended by ST', '\x1b]8;;http://evil.invalid\x1b\\text\x1b]8;;\x1b\\', 'text'],
  ['a clipboard write (OSC 52)', '\x1b]52;c;ZXZpbA==\x07after', 'after'],
  ['a string that never ends', 'a\x1b]0;title\nnext line', 'a\nnext line'],
  ['clearing the screen', 'before\x1b[2J\x1b[Hafter', 'beforeafter'],
  ['one-byte control sequences', '\x9b31mred', 'red'],
  ['a lone escape', 'a\x1b', 'a'],
  ['a progress bar', 'bar 10%\rbar 100%\ndone', 'bar 100%\ndone'],
  ['Windows line ends', 'one\r\ntwo\r\n', 'one\ntwo\n']
])('%s leaves its text', (_, raw, text) => {
  expect(stripAnsi(raw)).toBe(text);
});

test.each([
  ['bidi overrides', 'abc\u202egnp.exe', 'abc\\u202egnp.exe'],
  ['zero-width characters', 'a\u200bb', 'a\\u200bb'],
  ['NUL and bell', 'a\0b\x07', 'a\\u0000b\\u0007']
])('%s are shown as escapes', (_, raw, text) => {
  expect(stripAnsi(raw)).toBe(text);
});

test('colours become the classes Jupyter themes know', () => {
  expect(segments('a\x1b[31;1mb\x1b[22mc\x1b[0md')).toEqual([
    { text: 'a', className: '' },
    { text: 'b', className: 'ansi-red-fg ansi-bold' },
    { text: 'c', className: 'ansi-red-fg' },
    { text: 'd', className: '' }
  ]);
});

test('the arguments of a long colour are not taken for colours', () => {
  expect(segments('\x1b[38;2;31;32;33mx')).toEqual([{ text: 'x', className: '' }]);
});

test('a megabyte on one line is done at once', () => {
  const text = '\x1b[31mx'.repeat(150_000);
  expect(stripAnsi(text)).toHaveLength(150_000);
});
