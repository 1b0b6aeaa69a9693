// @ts-check
// `POST /classify`: the answer is one JSON object per line, read as it arrives.
import { ApiError, request } from '../api.js';

/** @import { Verdict, Window } from '../types.js' */

/**
 * @typedef {Verdict & {file?: string, duration_s: number, windows: Window[]}} FileVerdict
 *
 * @typedef {object} Listener
 * @property {(decoded: number, duration: number|null) => void} [onProgress]
 * @property {(window: Window) => void} [onWindow]
 */

/**
 * Lines of a response body.
 * @param {Response} response
 */
async function* lines(response) {
  const body = response.body?.pipeThrough(new TextDecoderStream());
  if (!body) return;
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  yield rest;
}

/**
 * Sends a request and reads its answer; resolves with the verdict.
 * @param {string} query
 * @param {RequestInit} options
 * @param {Listener} listener
 * @returns {Promise<FileVerdict>}
 */
async function run(query, options, { onProgress, onWindow }) {
  const response = await request(`classify?${query}`, { method: 'POST', ...options });
  for await (const line of lines(response)) {
    if (line.trim() === '') continue;
    const { kind, ...rest } = JSON.parse(line);
    if (kind === 'progress') onProgress?.(rest.decoded_s, rest.duration_s);
    else if (kind === 'window') onWindow?.(rest);
    else if (kind === 'verdict') return rest;
    else if (kind === 'error') throw new ApiError(200, rest.error, rest.code);
  }
  throw new ApiError(200, 'The answer ended before the verdict.', null);
}

/**
 * Classifies a file.
 * @param {Blob} file
 * @param {string} name
 * @param {Listener & {hop?: number, abort?: AbortSignal}} options
 */
export function classifyFile(file, name, { hop = 1, abort, ...listener }) {
  const query = new URLSearchParams({ hop_s: String(hop), name });
  const headers = { 'content-type': 'application/octet-stream' };
  return run(String(query), { body: file, headers, signal: abort }, listener);
}

/**
 * Classifies the next seconds of a stream.
 * @param {string} url
 * @param {number} seconds
 * @param {Listener & {abort?: AbortSignal}} options
 */
export function classifyUrl(url, seconds, { abort, ...listener }) {
  const headers = { 'content-type': 'application/json' };
  return run(
    'hop_s=1',
    { body: JSON.stringify({ url, seconds }), headers, signal: abort },
    listener,
  );
}
