// @ts-check
// Requests to the API. A refused request is an `ApiError`; 401 opens the login dialog.
import { address } from './base.js';
import { signal } from './ui.js';

/** True while a token is missing. */
export const loginNeeded = signal(false);

/** Number of successful logins; the stream and the pages reload after each. */
export const logins = signal(0);

export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {string|null} code
   */
  constructor(status, message, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param {Response} response */
async function failure(response) {
  if (response.status === 401) loginNeeded.value = true;
  try {
    const { error, code } = await response.json();
    return new ApiError(response.status, error, code ?? null);
  } catch {
    return new ApiError(response.status, `${response.status} ${response.statusText}`, null);
  }
}

/**
 * Response to a request; throws an `ApiError` unless it is 2xx.
 * @param {string} path  Below `api/v1/`.
 * @param {RequestInit} [options]
 */
export async function request(path, options) {
  const response = await fetch(address(`api/v1/${path}`), options);
  if (!response.ok) throw await failure(response);
  return response;
}

/**
 * JSON of a route.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/**
 * Sends JSON and returns the JSON of the answer.
 * @param {'POST'|'PATCH'} method
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function sendJson(method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await request(path, { method, headers, body: JSON.stringify(body) });
  return response.status === 204 ? null : response.json();
}

const RETRY_MS = 2000;

/**
 * Repeats a request until it succeeds, as while the daemon starts. A missing token and a missing
 * source end it: the login starts it again.
 * @param {() => Promise<void>} load
 * @param {object} options
 * @param {(message: string) => void} options.onFailure  Called with an empty text after a success.
 * @param {() => boolean} options.isWanted
 */
export async function persistently(load, { onFailure, isWanted }) {
  while (isWanted()) {
    try {
      await load();
      onFailure('');
      return isWanted();
    } catch (error) {
      onFailure(/** @type {Error} */ (error).message);
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return false;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  return false;
}

/**
 * Exchanges the token for a cookie.
 * @param {string} token
 */
export async function logIn(token) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ token });
  const response = await fetch(address('api/v1/login'), { method: 'POST', headers, body });
  if (!response.ok) {
    const known = response.status === 401 || response.status === 403;
    throw new ApiError(response.status, known ? 'The token is wrong.' : 'Login failed.', null);
  }
  loginNeeded.value = false;
  logins.value += 1;
}

/**
 * Path of a source's route.
 * @param {string} name
 * @param {string} [below]
 */
export function sourceRoute(name, below = '') {
  return `sources/${encodeURIComponent(name)}${below}`;
}
