import type { ReactElement } from 'react';

import type { MetricValue } from '../api/types';
import { finite } from '../text/format';

const WIDTH = 96;
const HEIGHT = 22;
const PAD = 2;

/** A metric's course in one small line; gaps where there is no number. Decorative: the values stand beside it. */
export function Sparkline({ values }: { values: MetricValue[] }): ReactElement | null {
  const path = sparkPath(values);
  if (path === '') {
    return null;
  }
  return (
    <svg
      className="jp-aml-sparkline"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-hidden="true"
    >
      <path d={path} fill="none" strokeWidth="1.5" strokeLinejoin="round" />
    </svg>
  );
}

/** The SVG path of the values, spread evenly over the width. */
export function sparkPath(values: MetricValue[]): string {
  const numbers = values.map(finite);
  const known = numbers.filter((value): value is number => value !== null);
  if (known.length < 2) {
    return '';
  }
  const low = known.reduce((a, b) => Math.min(a, b));
  const span = known.reduce((a, b) => Math.max(a, b)) - low || 1;
  let path = '';
  let pen = 'M';
  numbers.forEach((value, index) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    const x = PAD + (index / (numbers.length - 1)) * (WIDTH - 2 * PAD);
    const y = HEIGHT - PAD - ((value - low) / span) * (HEIGHT - 2 * PAD);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  });
  return path;
}
