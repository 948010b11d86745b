import { expect, test } from 'vitest';

import { formatBytes, formatDuration, formatMetric } from '../format';

test.each([
  [0, '0 ms'],
  [99, '99 ms'],
  [120, '0.1 s'],
  [3_240, '3.2 s'],
  [59_900, '59 s'],
  [65_000, '1 min 05 s'],
  [7_380_000, '2 h 03 min'],
  [200_000_000, '2 d 07 h']
])('%i ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [0.1 + 0.2, '0.3'],
  [1 / 3, '0.333333'],
  [12345678, '12345678'],
  [1.5e-7, '1.500e-7'],
  [0, '0'],
  ['NaN' as const, 'NaN'],
  ['-Infinity' as const, '−∞'],
  [null, '–']
])('the metric %s reads %s', (value, text) => {
  expect(formatMetric(value)).toBe(text);
});

test.each([
  [10, '10 B'],
  [1536, '1.5 KiB'],
  [50 * 1024 * 1024, '50 MiB']
])('%i bytes read %s', (size, text) => {
  expect(formatBytes(size)).toBe(text);
});
