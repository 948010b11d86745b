const RUN_ID = /^[0-9a-f]{32}$/;

/** Whether a value from anywhere, a stored notebook included, is a run id. */
export function isRunId(value: unknown): value is string {
  return typeof value === 'string' && RUN_ID.test(value);
}

/** An artifact's path as a URL: each segment encoded, the slashes kept. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
