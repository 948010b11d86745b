import { useEffect, useRef, useState, type ReactElement } from 'react';
import uPlot from 'uplot';

import type { MetricValue } from '../api/types';
import { finite } from '../text/format';
import { useAml } from './context';

/** One line of a chart. */
export interface ISeries {
  label: string;
  steps: number[];
  values: MetricValue[];
}

const HEIGHT = 180;
const DAY = 86_400;
/** The least that a scale of days reaches up to: two cents. */
const LEAST = 0.02;
const BARS = uPlot.paths.bars?.({ size: [0.7, 32] });
/** Room for half a bar at either end, and the ground is zero. */
const DAY_SCALES: uPlot.Scales = {
  x: { time: true, range: (_, first, last) => [first - DAY / 2, last + DAY / 2] },
  y: { range: (_, __, most) => [0, Math.max(most * 1.1, LEAST)] }
};
/** Colours that hold in light and dark themes, told apart by most eyes. */
const SERIES_COLORS = [
  '--jp-brand-color1',
  '--jp-warn-color0',
  '--jp-success-color1',
  '--jp-error-color1',
  '--jp-accent-color1',
  '--jp-info-color0',
  '--jp-ui-font-color2'
];

/** The CSS colour of a chart's n-th line. */
export function seriesColor(index: number): string {
  return `var(${colorName(index)})`;
}

function colorName(index: number): string {
  return SERIES_COLORS[index % SERIES_COLORS.length] ?? '';
}

/** Whether this page can draw on a canvas; where it cannot, charts leave the word to their tables. */
export const CAN_DRAW = typeof CanvasRenderingContext2D !== 'undefined';

/**
 * Lines over steps. Points without a number leave a gap. With `days` the steps are seconds since the epoch, a bar
 * each.
 */
export function Plot(props: {
  series: ISeries[];
  label: string;
  days?: boolean;
}): ReactElement | null {
  const { trans } = useAml();
  const { series, label, days = false } = props;
  const axis = days ? trans.__('day') : trans.__('step');
  const host = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  useEffect(() => {
    const node = host.current;
    if (node === null || !CAN_DRAW) {
      return;
    }
    const plot = new uPlot(options(node, series, axis, days), align(series), node);
    const observer = new ResizeObserver(() => {
      if (node.clientWidth > 0) {
        plot.setSize({ width: node.clientWidth, height: HEIGHT });
      }
    });
    observer.observe(node);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [series, theme, axis, days]);
  return CAN_DRAW ? <div className="jp-aml-plot" ref={host} role="img" aria-label={label} /> : null;
}

/** The lines on one common axis of steps, as uPlot wants them. */
export function align(series: ISeries[]): uPlot.AlignedData {
  const tables = series.map(line => [line.steps, line.values.map(finite)] as uPlot.AlignedData);
  const first = tables[0];
  if (first === undefined) {
    return [[]];
  }
  return tables.length === 1 ? first : uPlot.join(tables);
}

/** Days are counted in UTC. */
function utcDate(seconds: number): Date {
  return uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC');
}

/** A value that changes when the theme does: a canvas has to be drawn anew then. */
function useTheme(): string {
  const [theme, setTheme] = useState(themeName);
  useEffect(() => {
    const observer = new MutationObserver(() => setTheme(themeName()));
    observer.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
    return () => observer.disconnect();
  }, []);
  return theme;
}

function themeName(): string {
  return document.body.dataset.jpThemeName ?? '';
}

function options(
  node: HTMLElement,
  series: ISeries[],
  axisLabel: string,
  days: boolean
): uPlot.Options {
  const style = getComputedStyle(node);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color('--jp-ui-font-color2'),
    grid: { stroke: color('--jp-border-color2'), width: 1 },
    ticks: { stroke: color('--jp-border-color2'), width: 1, size: 4 },
    font: `11px ${color('--jp-ui-font-family')}`
  };
  return {
    width: node.clientWidth || 320,
    height: HEIGHT,
    scales: days ? DAY_SCALES : { x: { time: false } },
    ...(days ? { tzDate: utcDate } : {}),
    legend: { show: true, live: true },
    cursor: { y: false },
    axes: [
      { ...axis, size: 28, space: 60, ...(days ? { values: '{MMM} {D}' } : {}) },
      { ...axis, size: 56 }
    ],
    series: [
      days ? { label: axisLabel, value: '{YYYY}-{MM}-{DD}' } : { label: axisLabel },
      ...series.map((line, index) => ({
        label: line.label,
        stroke: color(colorName(index)),
        width: days ? 0 : 1.5,
        spanGaps: series.length > 1,
        points: { show: !days && line.steps.length < 40, size: 4 },
        ...(days ? { fill: color(colorName(index)), paths: BARS } : {})
      }))
    ]
  };
}
