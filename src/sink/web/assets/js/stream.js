// @ts-check
// Server-sent events. `EventSource` reconnects by itself and resumes with `Last-Event-ID`; the last
// id is kept in the session, so that a reload of the page resumes too.
import { request } from './api.js';
import { address } from './base.js';
import { signal } from './ui.js';

/** State of the connection: `connecting`, `live` or `lost`. */
export const connection = signal(/** @type {'connecting'|'live'|'lost'} */ ('connecting'));

/** True if events may be missing between the last connection and this one. */
export const eventGap = signal(false);

/** Clock of the daemon minus clock of the browser, in ms. */
let clockOffset = 0;

/** Time by the daemon's clock, in ms. */
export function daemonNow() {
  return Date.now() + clockOffset;
}

const RETRY_MS = 2000;
/** Ids of the last events, to discard duplicates. */
const KEPT_IDS = 4000;

/**
 * @typedef {object} StreamOptions
 * @property {string[]} topics
 * @property {string[]} [sources]  All sources unless given.
 * @property {Record<string, (data: any) => void>} handlers  By event name, without `hello`.
 * @property {(hello: {run: string, now: string, resumed: boolean, gap: boolean}) => void} [onHello]
 */

/**
 * Opens a stream; the result closes it.
 * @param {StreamOptions} options
 */
export function openStream({ topics, sources, handlers, onHello }) {
  const key = `genred-last-event:${sources?.join(',') ?? '*'}`;
  const seen = new Set();
  let last = sessionStorage.getItem(key) ?? '';
  /** @type {EventSource|null} */
  let stream = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  let closed = false;

  /** @param {MessageEvent} message */
  function isDuplicate(message) {
    const id = message.lastEventId;
    if (message.type !== 'event' || !id) return false;
    if (seen.has(id)) return true;
    seen.add(id);
    if (seen.size > KEPT_IDS) seen.delete(seen.values().next().value);
    remember(id);
    return false;
  }

  /** @param {string} id */
  function remember(id) {
    last = id;
    sessionStorage.setItem(key, id);
  }

  function open() {
    const query = new URLSearchParams({ topics: topics.join(',') });
    if (sources) query.set('sources', sources.join(','));
    if (last) query.set('after', last);
    stream = new EventSource(address(`api/v1/events?${query}`));
    stream.addEventListener('open', () => {
      connection.value = 'live';
    });
    stream.addEventListener('hello', (message) => {
      const hello = JSON.parse(message.data);
      // Position of a page that has not received an event yet.
      if (!last && message.lastEventId) remember(message.lastEventId);
      clockOffset = Date.parse(hello.now) - Date.now();
      connection.value = 'live';
      eventGap.value = hello.gap;
      onHello?.(hello);
    });
    for (const [name, handler] of Object.entries(handlers)) {
      stream.addEventListener(name, (message) => {
        if (!isDuplicate(message)) handler(JSON.parse(message.data));
      });
    }
    stream.addEventListener('error', onError);
  }

  // A refused response, as that of a proxy without its daemon, ends an `EventSource` for good.
  async function onError() {
    if (closed) return;
    connection.value = 'lost';
    if (stream?.readyState !== EventSource.CLOSED) return;
    // Opens the login dialog if the token is missing.
    await request('daemon').catch(() => null);
    clearTimeout(timer);
    timer = setTimeout(() => !closed && open(), RETRY_MS);
  }

  connection.value = 'connecting';
  open();
  return () => {
    closed = true;
    clearTimeout(timer);
    stream?.close();
  };
}
