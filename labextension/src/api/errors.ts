import type { Json } from './types';

/** What the server said, or the lack of an answer, in the words to show. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    readonly detail: string | null = null,
    readonly hint: string | null = null
  ) {
    super(message);
    this.name = 'ApiError';
  }

  get isMissing(): boolean {
    return this.status === 404;
  }
}

/** Read `{"error": {...}}`, or the `{"message"}` of Jupyter's own handlers. */
export function errorFromBody(status: number, reason: string, body: Json | undefined): ApiError {
  const fields = isRecord(body) ? (isRecord(body.error) ? body.error : body) : {};
  const message = text(fields.message) ?? (reason || `HTTP ${status}`);
  const code = text(fields.code) ?? String(status);
  return new ApiError(message, code, status, text(fields.detail), text(fields.hint));
}

/** The error to show for anything thrown. */
export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) {
    return thrown;
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiError(message, 'client_error', 0);
}

function isRecord(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
