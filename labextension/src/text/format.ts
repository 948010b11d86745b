import type { MetricValue } from '../api/types';

/** `20 ms`, `3.2 s`, `1 min 05 s`, `2 h 03 min`: as short as it can be compared by eye. */
export function formatDuration(ms: number): string {
  if (ms < 100) {
    return `${Math.round(ms)} ms`;
  }
  const seconds = ms / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.floor(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${two(Math.floor(seconds) % 60)} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? `${hours} h ${two(minutes % 60)} min`
    : `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

/** A metric in at most six significant digits, as people read it. */
export function formatMetric(value: MetricValue | null | undefined): string {
  if (value === null || value === undefined) {
    return '–';
  }
  if (typeof value === 'string') {
    return value === 'NaN' ? 'NaN' : value === 'Infinity' ? '∞' : '−∞';
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) {
    return String(value);
  }
  const size = Math.abs(value);
  return size >= 1e6 || (size !== 0 && size < 1e-4)
    ? value.toExponential(3)
    : String(Number(value.toPrecision(6)));
}

export function formatBytes(size: number): string {
  if (size < 1024) {
    return `${size} B`;
  }
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = size;
  let unit = -1;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled.toFixed(scaled < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Date and time of the reader's own place, to the second. */
export function formatTime(ms: number | null, locale?: string): string {
  if (ms === null) {
    return '–';
  }
  return new Date(ms).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** The number behind a metric value, or null where there is none to draw. */
export function finite(value: MetricValue | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
