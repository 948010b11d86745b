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

/** Lines over steps. Points without a number leave a gap. */
export function Plot({ series, label }: { series: ISeries[]; label: string }): ReactElement | null {
  const { trans } = useAml();
  const axis = trans.__('step');
  const host = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  useEffect(() => {
    const node = host.current;
    if (node === null || !CAN_DRAW) {
      return;
    }
    const plot = new uPlot(options(node, series, axis), align(series), node);
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
  }, [series, theme, axis]);
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

function options(node: HTMLElement, series: ISeries[], axisLabel: string): uPlot.Options {
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
    scales: { x: { time: false } },
    legend: { show: true, live: true },
    cursor: { y: false },
    axes: [
      { ...axis, size: 28, space: 60 },
      { ...axis, size: 56 }
    ],
    series: [
      { label: axisLabel },
      ...series.map((line, index) => ({
        label: line.label,
        stroke: color(colorName(index)),
        width: 1.5,
        spanGaps: series.length > 1,
        points: { show: line.steps.length < 40, size: 4 }
      }))
    ]
  };
}
