// @ts-check
// Card of a source on the wall. In the compact layout the same elements form a row.
//
// Meter and ribbon are backgrounds, not canvases: several hundred canvases would each be a layer of
// their own, which costs more per frame than everything else together.
import { sourcePath } from '../base.js';
import { clock, duration, fixed, iso, loudness, percent, toMs } from '../format.js';
import { genreColour } from '../genres.js';
import { conditionOf, HealthIcon } from '../health.js';
import { RIBBON_MS } from '../store.js';
import { daemonNow } from '../stream.js';
import { canvasColours, theme } from '../theme.js';
import { html, useEffect, useRef } from '../ui.js';
import { onScale } from './meter_scale.js';
import { ribbonWords } from './ribbon_words.js';

/** @import { LevelReading, SourceEntry } from '../store.js' */
/** @import { Source } from '../types.js' */

/** Seconds without news after which a live source is shown as late. */
const LATE_S = 5;

/** @type {WeakMap<Element, SourceEntry>} */
const shownBy = new WeakMap();
const inView = new IntersectionObserver(
  (changes) => {
    for (const { target, isIntersecting } of changes) {
      const entry = shownBy.get(target);
      if (!entry) continue;
      entry.inView = isIntersecting;
      if (isIntersecting) entry.flush();
    }
  },
  { rootMargin: '200px' },
);

/** @param {number} fraction */
function at(fraction) {
  return `${(fraction * 100).toFixed(1)}%`;
}

/**
 * Vertical line of a background.
 * @param {string} colour
 * @param {number} position  0 to 1.
 * @param {number} width  In px.
 */
function tick(colour, position, width) {
  return `linear-gradient(${colour} 0 0) ${at(position)} 0 / ${width}px 100% no-repeat`;
}

/**
 * Level meter: bar of the momentary loudness, tick of the short-term loudness, and the highest
 * momentary level of the last three seconds.
 * @param {LevelReading} level
 */
function meterBackground(level) {
  const colours = canvasColours();
  const bar = at(onScale(level.momentary));
  const ticks = [tick(colours.card, onScale(-23), 1)];
  if (level.peak() > -60) ticks.unshift(tick(colours.accent, onScale(level.peak()), 2));
  if (level.shortTerm > -60) ticks.unshift(tick(colours.text, onScale(level.shortTerm), 3));
  const scale = `linear-gradient(90deg, ${colours.meter} ${bar}, ${colours.sunken} ${bar})`;
  return [...ticks, scale].join(', ');
}

/**
 * Ten-minute ribbon.
 * @param {SourceEntry} entry
 */
function ribbonBackground(entry) {
  const to = entry.edge();
  const from = to - RIBBON_MS;
  const { sunken } = canvasColours();
  const stops = [];
  let last = 0;
  for (const [start, end, label] of entry.ribbon) {
    if (end <= from) continue;
    const left = Math.max(0, (start - from) / RIBBON_MS);
    const right = Math.min(1, (end - from) / RIBBON_MS);
    if (left > last) stops.push(`${sunken} ${at(last)} ${at(left)}`);
    stops.push(`${genreColour(label)} ${at(left)} ${at(right)}`);
    last = right;
  }
  if (last < 1) stops.push(`${sunken} ${at(last)} 100%`);
  return `linear-gradient(90deg, ${stops.join(', ')})`;
}

/**
 * Age of the shown values, in words.
 * @param {SourceEntry} entry
 * @param {Source} source
 */
export function freshness(entry, source) {
  if (!source.online) {
    const last = source.last_audio;
    return { late: true, words: last ? `last audio ${clock(last)}` : 'no audio yet' };
  }
  const silent = (Date.now() - entry.heardAt) / 1000;
  const behind = (source.behind_s ?? 0) + (silent > LATE_S ? silent : 0);
  const late = behind > LATE_S;
  if (source.behind_s == null && !late) return { late, words: 'live' };
  return {
    late,
    words: late ? `${duration(behind)} behind` : `live, ${fixed(behind, 1)} s behind`,
  };
}

/** @param {{source: Source}} props */
function HealthState({ source }) {
  const { tone, word, since } = conditionOf(source);
  return html`<p class="health" title=${source.health_reason ?? undefined}>
    <${HealthIcon} tone=${tone} />
    <span>${word}</span>
    ${tone !== 'good' && since && html`<time dateTime=${iso(since)}>since ${clock(since)}</time>`}
  </p>`;
}

/** @param {{entry: SourceEntry}} props */
export function Card({ entry }) {
  const item = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    const element = item.current;
    if (!element) return;
    shownBy.set(element, entry);
    inView.observe(element);
    return () => inView.unobserve(element);
  }, [entry]);

  const source = entry.shown.value;
  entry.levelShown.value; // Meter and text follow the level,
  theme.value; // and the colours the theme.
  const { state, attributes, online } = source;
  const genre = online ? (state?.genre ?? 'uncertain') : 'lost';
  const fresh = freshness(entry, source);
  const held = state && online ? `for ${duration((daemonNow() - toMs(state.since)) / 1000)}` : '';
  const title = attributes?.title ?? '';
  return html`<li
    ref=${item}
    class="card"
    data-tone=${conditionOf(source).tone}
    data-late=${fresh.late}
    data-source=${source.name}
    style=${{ '--genre': genreColour(genre) }}
  >
    <h2 class="name"><a href=${sourcePath(source.name)}>${source.source_name}</a></h2>
    <${HealthState} source=${source} />
    <p class="genre" title=${held}>${genre}</p>
    <p class="confidence">${online && state?.confidence != null ? percent(state.confidence) : ''}</p>
    <p class="title">${title}</p>
    <div class="meter-bar" style=${{ background: meterBackground(entry.level) }}></div>
    <div
      class="ribbon-bar"
      role="img"
      aria-label=${`Last ten minutes: ${ribbonWords(entry.ribbon) || 'nothing yet'}`}
      style=${{ background: ribbonBackground(entry) }}
    ></div>
    <p class="lufs"><span class="vh">Short-term loudness </span>${loudness(online ? entry.level.shortTerm : null)}<span class="unit"> LUFS</span></p>
    <p class="fresh">${fresh.words}</p>
  </li>`;
}
