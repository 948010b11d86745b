import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { ApiError, errorFromBody } from './errors';
import type { Json } from './types';

/** The name space of our routes on the Jupyter server. */
export const API_ROOT = 'aml/api/v1';

export type Query = Record<string, string | number | boolean | undefined>;

export interface IRequest {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  query?: Query;
  body?: object;
  signal?: AbortSignal;
}

/** The absolute address of a route; `path` has its segments encoded already. */
export function routeUrl(
  settings: ServerConnection.ISettings,
  path: string,
  query: Query = {}
): string {
  const present = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(present.map(([key, value]) => [key, String(value)]));
  const url = URLExt.join(settings.baseUrl, API_ROOT) + '/' + path;
  return present.length > 0 ? `${url}?${search.toString()}` : url;
}

/** Ask the server; an answer that is not 2xx, or none at all, is an `ApiError`. */
export async function request(
  settings: ServerConnection.ISettings,
  path: string,
  options: IRequest = {}
): Promise<Response> {
  const init: RequestInit = { method: options.method ?? 'GET', signal: options.signal };
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { 'Content-Type': 'application/json' };
  }
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(
      routeUrl(settings, path, options.query),
      init,
      settings
    );
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ApiError(message, 'unreachable', 0);
  }
  if (!response.ok) {
    throw errorFromBody(response.status, response.statusText, await bodyOf(response));
  }
  return response;
}

/** The same, with the answer read as JSON of the shape the contract names. */
export async function requestJson<T>(
  settings: ServerConnection.ISettings,
  path: string,
  options: IRequest = {}
): Promise<T> {
  const response = await request(settings, path, options);
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError('The server answered with something that is not JSON.', 'bad_answer', 502);
  }
}

async function bodyOf(response: Response): Promise<Json | undefined> {
  try {
    return (await response.json()) as Json;
  } catch {
    return undefined;
  }
}
