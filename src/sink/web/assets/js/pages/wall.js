// @ts-check
// Wall: a card per source, trouble first.

import { logins, persistently } from '../api.js';
import { Card } from '../components/card.js';
import { announceEvent, EventLine } from '../components/event_line.js';
import { TROUBLE } from '../health.js';
import {
  daemon,
  entries,
  events,
  loadSources,
  onEvent,
  onLevel,
  onState,
  orderVersion,
} from '../store.js';
import { eventGap, openStream } from '../stream.js';
import { html, signal, useEffect, useState } from '../ui.js';

/** Number of sources from which the wall shows rows unless told otherwise. */
const MANY = 36;
/** Number of sources up to which changes are announced to screen readers. */
const FEW = 8;
const LAYOUT_KEY = 'genred-layout';
const MAX_LINES = 40;
/** Cards that are added per frame while the page opens, so that the first ones are there at once. */
const CARDS_PER_FRAME = 40;

const layout = signal(localStorage.getItem(LAYOUT_KEY) ?? 'auto');
const kiosk = signal(new URLSearchParams(location.search).has('kiosk'));
const filter = signal('');
const onlyTrouble = signal(false);

/** @param {string} choice */
function chooseLayout(choice) {
  layout.value = choice;
  localStorage.setItem(LAYOUT_KEY, choice);
}

async function enterKiosk() {
  kiosk.value = true;
  await document.documentElement.requestFullscreen?.().catch(() => null);
}

async function leaveKiosk() {
  kiosk.value = false;
  if (document.fullscreenElement) await document.exitFullscreen().catch(() => null);
}

document.addEventListener('fullscreenchange', () => {
  if (!document.fullscreenElement) kiosk.value = false;
});

/** Sources that pass the filter, trouble first, then in the order of the configuration. */
function sortedEntries() {
  orderVersion.value;
  const wanted = filter.value.trim().toLowerCase();
  const list = [...entries.values()].filter((entry) => {
    if (onlyTrouble.value && entry.rank >= TROUBLE) return false;
    if (!wanted) return true;
    const { name, source_name: shown, state, attributes } = entry.latest;
    const text = `${name}\n${shown}\n${state?.genre ?? ''}\n${attributes?.title ?? ''}`;
    return text.toLowerCase().includes(wanted);
  });
  return list.sort((one, other) => Math.min(one.rank, TROUBLE) - Math.min(other.rank, TROUBLE));
}

/** @param {{shown: number, trouble: number}} props */
function Summary({ shown, trouble }) {
  const all = entries.size;
  const some = shown < all ? `${shown} of ${all}` : `${all}`;
  const words = trouble === 0 ? 'no trouble' : `${trouble} with trouble`;
  return html`<p class="summary" data-trouble=${trouble > 0}>${some} ${all === 1 ? 'source' : 'sources'}, ${words}</p>`;
}

function Controls() {
  const choice = layout.value;
  return html`<div class="controls">
    <label class="search"><span class="vh">Filter by name, genre or title</span>
      <input
        type="search"
        placeholder="Filter ( / )"
        value=${filter.value}
        onInput=${(/** @type {any} */ event) => {
          filter.value = event.currentTarget.value;
        }}
      />
    </label>
    <button type="button" aria-pressed=${onlyTrouble.value} onClick=${() => {
      onlyTrouble.value = !onlyTrouble.value;
    }}>Trouble only</button>
    <div class="segmented" role="group" aria-label="Layout">
      ${['auto', 'cards', 'rows'].map(
        (name) =>
          html`<button type="button" aria-pressed=${choice === name} onClick=${() => chooseLayout(name)}>${name}</button>`,
      )}
    </div>
    <button type="button" class="kiosk-button" onClick=${enterKiosk}>Kiosk</button>
  </div>`;
}

/** Changes since the page was opened, newest first. */
function RecentEvents() {
  const list = events.value.slice(0, MAX_LINES);
  return html`<aside class="recent" aria-labelledby="recent-title">
    <h2 id="recent-title">Latest changes</h2>
    ${eventGap.value && html`<p class="muted">Events of the interruption may be missing.</p>`}
    ${list.length === 0 && html`<p class="muted">None since this page was opened.</p>`}
    <ol>${list.map((event) => html`<${EventLine} key=${`${event.run}/${event.source}/${event.seq}`} event=${event} withSource=${true} />`)}</ol>
  </aside>`;
}

function useWallStream() {
  const [failure, setFailure] = useState('');
  const login = logins.value;
  useEffect(() => {
    let close = () => {};
    let wanted = true;
    /** @type {string|null} */
    let run = null;
    document.title = 'genred';
    persistently(loadSources, { onFailure: setFailure, isWanted: () => wanted }).then((loaded) => {
      if (!loaded) return;
      close = openStream({
        topics: ['state', 'event', 'level'],
        handlers: {
          state: onState,
          level: onLevel,
          event: (event) => {
            onEvent(event);
            if (entries.size <= FEW) announceEvent(event);
          },
        },
        // Another run may have other sources.
        onHello: (hello) => {
          if (run && run !== hello.run) loadSources().catch(() => null);
          run = hello.run;
        },
      });
    });
    return () => {
      wanted = false;
      close();
    };
  }, [login]);
  return failure;
}

/**
 * Keys of the wall: `/` goes to the filter, arrows go from card to card.
 * @param {KeyboardEvent} event
 */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key === 'Escape' && kiosk.value) leaveKiosk();
  if (target.closest('input, select, textarea, dialog')) return;
  if (event.key === '/') {
    event.preventDefault();
    /** @type {HTMLElement|null} */ (document.querySelector('.search input'))?.focus();
    return;
  }
  const steps = /** @type {Record<string, number>} */ ({
    ArrowRight: 1,
    ArrowDown: 1,
    ArrowLeft: -1,
    ArrowUp: -1,
  });
  const step = steps[event.key];
  const link = target.closest('.card a');
  if (!step || !link || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const links = [...document.querySelectorAll('.card .name a')];
  /** @type {HTMLElement|undefined} */ (links[links.indexOf(link) + step])?.focus();
}

/**
 * Number of cards to show: grows from frame to frame up to `count`.
 * @param {number} count
 */
function useGrowingLimit(count) {
  const [limit, setLimit] = useState(CARDS_PER_FRAME);
  useEffect(() => {
    if (limit >= count) return;
    const request = requestAnimationFrame(() => setLimit(limit + CARDS_PER_FRAME));
    return () => cancelAnimationFrame(request);
  }, [limit, count]);
  return limit;
}

export function Wall() {
  const failure = useWallStream();
  useEffect(() => {
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  const limit = useGrowingLimit(entries.size);
  const hidden = kiosk.value;
  useEffect(() => {
    document.documentElement.toggleAttribute('data-kiosk', hidden);
    return () => document.documentElement.removeAttribute('data-kiosk');
  }, [hidden]);

  if (failure) {
    return html`<section class="notice"><h1>The sources cannot be loaded</h1><p>${failure}</p></section>`;
  }
  if (!daemon.value) return html`<p class="loading">Loading …</p>`;
  const list = sortedEntries();
  const trouble = [...entries.values()].filter((entry) => entry.rank < TROUBLE).length;
  const rows = layout.value === 'auto' ? entries.size > MANY : layout.value === 'rows';
  return html`
    <div class="wall-head">
      <h1 class="vh">Sources</h1>
      <${Summary} shown=${list.length} trouble=${trouble} />
      <${Controls} />
    </div>
    ${list.length === 0 && html`<p class="notice">${entries.size === 0 ? 'This daemon has no sources.' : 'No source passes the filter.'}</p>`}
    <div class="wall-body">
      <ul class="wall" data-layout=${rows ? 'rows' : 'cards'} data-few=${entries.size <= 3}>
        ${list.slice(0, limit).map((entry) => html`<${Card} key=${entry.name} entry=${entry} />`)}
      </ul>
      <${RecentEvents} />
    </div>
    ${hidden && html`<button type="button" class="kiosk-exit" onClick=${leaveKiosk}>Leave kiosk</button>`}
  `;
}
