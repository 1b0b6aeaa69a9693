// @ts-check
// Events in words.
import { address, sourcePath } from '../base.js';
import { fixed, iso, percent, toMs, when } from '../format.js';
import { genreColour } from '../genres.js';
import { entries } from '../store.js';
import { theme } from '../theme.js';
import { html } from '../ui.js';
import { announce } from './announcer.js';

/** @import { SourceEvent } from '../types.js' */

/** @type {Record<string, (event: SourceEvent) => string>} */
const WORDS = {
  dead_air_started: (event) => `dead air: ${event.reason}`,
  dead_air_ended: () => 'dead air ended',
  source_lost: (event) => `lost: ${event.reason}`,
  source_recovered: () => 'recovered',
  off_format_started: () => 'off format',
  off_format_ended: () => 'in format again',
  talk_limit_started: () => 'too much talk in the last hour',
  talk_limit_ended: () => 'talk below the limit again',
  imbalance_started: (event) => `${event.quiet} channel is quieter (${fixed(event.balance_db)} dB)`,
  imbalance_ended: () => 'both channels are back',
  stream_slow_started: (event) => `arrives slower than real time (${fixed(event.rate, 2)} ×)`,
  stream_slow_ended: () => 'arrives in real time again',
  events_dropped: (event) => `${event.count ?? 'some'} events were lost`,
};

/** @param {SourceEvent} event */
export function eventWords(event) {
  if (event.event_type === 'genre_changed') return `${event.from} → ${event.to}`;
  return WORDS[event.event_type]?.(event) ?? event.event_type.replaceAll('_', ' ');
}

/**
 * Anchor of an event on its history page.
 * @param {SourceEvent} event
 */
export function eventAnchor({ run, seq }) {
  return `event-${run}-${seq}`;
}

/** Time before and after an event that its link shows, in ms. */
const AROUND_MS = 3_600_000;

/** @param {SourceEvent} event */
function eventLink(event) {
  const at = toMs(event.ts);
  const query = `from=${at - AROUND_MS}&to=${at + AROUND_MS}&by=hour`;
  return sourcePath(event.source, `/history?${query}#${eventAnchor(event)}`);
}

const TROUBLE = /_(lost|started)$|^events_dropped$/;

/** @param {{event: SourceEvent, withSource?: boolean, id?: string}} props */
export function EventLine({ event, withSource = false, id }) {
  const changed = event.event_type === 'genre_changed';
  theme.value;
  return html`<li
    id=${id}
    class="event"
    data-event=${event.event_type}
    data-id=${`${event.run}/${event.seq}`}
    data-of=${event.source}
    data-trouble=${TROUBLE.test(event.event_type)}
    style=${{ '--genre': changed ? genreColour(event.to ?? '') : 'transparent' }}
  >
    <time dateTime=${iso(event.ts)} title=${iso(event.ts)}>${when(event.ts)}</time>
    ${withSource && html`<a class="of" href=${sourcePath(event.source)}>${entries.get(event.source)?.latest.source_name ?? event.source}</a>`}
    <a class="what" href=${eventLink(event)}>${eventWords(event)}</a>
    ${changed && event.confidence != null && html`<span class="muted">${percent(event.confidence)}</span>`}
    ${event.clip && html`<a class="clip" href=${address(event.clip)} download>clip</a>`}
  </li>`;
}

/**
 * Announces an event to screen readers.
 * @param {SourceEvent} event
 */
export function announceEvent(event) {
  const name = entries.get(event.source)?.latest.source_name ?? event.source;
  announce(`${name}: ${eventWords(event)}`);
}
