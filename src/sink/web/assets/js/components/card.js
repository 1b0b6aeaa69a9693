// @ts-check
// Card of a source on the wall. In the compact layout the same elements form a row.

import { sourcePath } from '../base.js';
import { clock, duration, fixed, iso, loudness, percent, toMs } from '../format.js';
import { genreColour } from '../genres.js';
import { conditionOf, HealthIcon } from '../health.js';
import { RIBBON_MS } from '../store.js';
import { daemonNow } from '../stream.js';
import { canvasColours, theme } from '../theme.js';
import { html, useEffect, useMemo, useRef } from '../ui.js';
import { Canvas } from './canvas.js';
import { meterPainter } from './meter.js';
import { drawRibbon, ribbonWords } from './ribbon.js';

/** @import { SourceEntry } from '../store.js' */
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

/**
 * Drawing function of the ten-minute ribbon.
 * @param {SourceEntry} entry
 * @returns {import('../frames.js').Painter['draw']}
 */
function ribbonPainter(entry) {
  let drawn = -1;
  return (context, width, height, _now, resized) => {
    if (!resized && drawn === entry.ribbonVersion) return;
    drawn = entry.ribbonVersion;
    const to = entry.edge();
    context.clearRect(0, 0, width, height);
    context.fillStyle = canvasColours().sunken;
    context.fillRect(0, 0, width, height);
    drawRibbon(context, entry.ribbon, { from: to - RIBBON_MS, to, width, height });
  };
}

/**
 * How current the values are, in words.
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

/** @param {{entry: SourceEntry}} props */
export function Card({ entry }) {
  const item = useRef(/** @type {HTMLElement|null} */ (null));
  const drawMeter = useMemo(() => meterPainter(entry.level), [entry]);
  const drawRibbonOf = useMemo(() => ribbonPainter(entry), [entry]);
  useEffect(() => {
    const element = item.current;
    if (!element) return;
    shownBy.set(element, entry);
    inView.observe(element);
    return () => inView.unobserve(element);
  }, [entry]);

  const source = entry.shown.value;
  entry.levelShown.value; // The text of the level follows it.
  const { state, attributes } = source;
  const condition = conditionOf(source);
  const genre = source.online ? (state?.genre ?? 'uncertain') : 'lost';
  const fresh = freshness(entry, source);
  theme.value; // The colour depends on it.
  const held = state ? duration((daemonNow() - toMs(state.since)) / 1000) : '';
  const title = attributes?.title ?? '';
  return html`<li
    ref=${item}
    class="card"
    data-tone=${condition.tone}
    data-late=${fresh.late}
    data-source=${source.name}
    style=${{ '--genre': genreColour(genre) }}
  >
    <h2 class="name"><a href=${sourcePath(source.name)}>${source.source_name}</a></h2>
    <p class="health" title=${source.health_reason ?? undefined}>
      <${HealthIcon} tone=${condition.tone} />
      <span>${condition.word}</span>
      ${
        condition.tone !== 'good' &&
        condition.since &&
        html`<time dateTime=${iso(condition.since)}>since ${clock(condition.since)}</time>`
      }
    </p>
    <p class="genre">${genre}</p>
    <p class="confidence">${!source.online || state?.confidence == null ? '' : percent(state.confidence)}</p>
    <p class="title" title=${title}>${title}</p>
    <div class="meter">
      <${Canvas} draw=${drawMeter} class="meter-canvas" />
      <span class="lufs"><span class="vh">Short-term loudness </span>${loudness(source.online ? entry.level.shortTerm : null)}<span class="unit"> LUFS</span></span>
    </div>
    <${Canvas}
      draw=${drawRibbonOf}
      class="ribbon-canvas"
      label=${`Last ten minutes: ${ribbonWords(entry.ribbon) || 'nothing yet'}`}
    />
    <p class="held">${held && source.online ? `for ${held}` : ''}</p>
    <p class="fresh">${fresh.words}</p>
  </li>`;
}
