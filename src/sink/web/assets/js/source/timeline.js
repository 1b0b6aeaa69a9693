// @ts-check
// Spectrogram, genre ribbon, titles and events on one time axis, by the clock of the sound.
import { Canvas } from '../components/canvas.js';
import { eventWords } from '../components/event_line.js';
import { drawRibbon } from '../components/ribbon.js';
import { ribbonWords } from '../components/ribbon_words.js';
import { clock, toMs } from '../format.js';
import { isState } from '../genres.js';
import { events } from '../store.js';
import { canvasColours, reducedMotion } from '../theme.js';
import { html, useMemo, useRef, useState } from '../ui.js';
import { COLOUR_MAPS } from './colormap.js';

/** @import { SourceEntry } from '../store.js' */
/** @import { MelBuffer } from './mel_buffer.js' */
/** @import { Painter } from '../frames.js' */

const SPANS_S = [15, 30, 60, 120];
/** The picture lags by one chunk of frames and this much, so that it moves evenly. */
const JITTER_MS = 250;
/** Heights of the parts, in px. */
const SPECTRUM = 208;
const RIBBON = 26;
const TITLES = 20;
const MARKS = 20;
const AXIS = 22;

/**
 * @typedef {object} TitleSpan
 * @property {number} start
 * @property {string} title
 */

/**
 * @typedef {object} View
 * @property {number} spanMs
 * @property {number|null} frozenAt  Right edge while the picture is held.
 * @property {number} shownTo  Right edge of the last drawing.
 */

/**
 * Right edge of the picture, in ms of the sound.
 * @param {SourceEntry} entry
 * @param {MelBuffer} mel
 * @param {View} view
 * @param {number} now
 */
function rightEdge(entry, mel, view, now) {
  if (view.frozenAt != null) return view.frozenAt;
  if (mel.end === 0) return entry.edge();
  if (reducedMotion.value) return mel.end;
  const lag = mel.chunkMs + JITTER_MS;
  const wanted = mel.end - lag + Math.min(now - mel.arrivedAt, lag);
  // Never backwards, except after a jump of the sound's clock.
  return Math.abs(wanted - view.shownTo) < 2000 ? Math.max(wanted, view.shownTo) : wanted;
}

/** Distance of the marks of an axis, in ms. @param {number} spanMs */
function tickStep(spanMs) {
  const steps = [1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000];
  return steps.find((step) => spanMs / step <= 8) ?? 60_000;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{from: number, to: number, width: number, y: number}} area
 */
function drawAxis(context, { from, to, width, y }) {
  const colours = canvasColours();
  const step = tickStep(to - from);
  context.fillStyle = colours.muted;
  context.textAlign = 'center';
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    const x = ((at - from) / (to - from)) * width;
    context.fillRect(Math.round(x), y, 1, 5);
    if (x > 30 && x < width - 30) context.fillText(clock(at), x, y + 17);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} left
 * @param {number} right
 * @param {number} y
 */
function clippedText(context, text, left, right, y) {
  if (right - left < 20) return;
  context.save();
  context.beginPath();
  context.rect(left, y - 16, right - left - 4, 22);
  context.clip();
  context.fillText(text, left + 5, y);
  context.restore();
}

/**
 * @param {SourceEntry} entry
 * @param {MelBuffer} mel
 * @param {View} view
 * @param {TitleSpan[]} titles
 * @returns {Painter['draw']}
 */
function timelinePainter(entry, mel, view, titles) {
  let drawn = '';
  return (context, width, height, now, resized) => {
    const to = rightEdge(entry, mel, view, now);
    const state = `${to.toFixed(0)} ${view.spanMs} ${mel.version} ${entry.ribbonVersion}`;
    if (!resized && state === drawn) return;
    drawn = state;
    view.shownTo = to;
    const from = to - view.spanMs;
    const colours = canvasColours();
    context.clearRect(0, 0, width, height);
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, SPECTRUM);
    mel.draw(context, { from, to, width, height: SPECTRUM });
    context.fillStyle = colours.sunken;
    context.fillRect(0, SPECTRUM + 4, width, RIBBON);
    const ribbon = entry.ribbon.map(
      ([start, end, label], at, all) =>
        /** @type {const} */ ([start, at === all.length - 1 ? Math.max(end, to) : end, label]),
    );
    drawRibbon(context, ribbon, { from, to, y: SPECTRUM + 4, width, height: RIBBON });
    context.font = '600 12px system-ui, sans-serif';
    context.textAlign = 'left';
    for (const [start, end, label] of ribbon) {
      if (end < from || start > to) continue;
      const left = Math.max(0, ((start - from) / view.spanMs) * width);
      const right = Math.min(width, ((end - from) / view.spanMs) * width);
      const onColour = !isState(label) || label === 'speech';
      context.fillStyle = onColour ? colours.card : colours.text;
      clippedText(context, label, left, right, SPECTRUM + 22);
    }
    context.font = '12px system-ui, sans-serif';
    context.fillStyle = colours.muted;
    titles.forEach(({ start, title }, at) => {
      const end = titles[at + 1]?.start ?? to;
      if (end < from || start > to) return;
      const left = Math.max(0, ((start - from) / view.spanMs) * width);
      clippedText(
        context,
        `♪ ${title}`,
        left,
        Math.min(width, ((end - from) / view.spanMs) * width),
        SPECTRUM + RIBBON + 18,
      );
    });
    drawMarks(context, entry.name, { from, to, width, y: SPECTRUM + RIBBON + TITLES + 4 });
    drawAxis(context, { from, to, width, y: SPECTRUM + RIBBON + TITLES + MARKS + 4 });
  };
}

/**
 * Events as marks with a line through the spectrogram.
 * @param {CanvasRenderingContext2D} context
 * @param {string} source
 * @param {{from: number, to: number, width: number, y: number}} area
 */
function drawMarks(context, source, { from, to, width, y }) {
  const colours = canvasColours();
  let free = Number.POSITIVE_INFINITY;
  for (const event of events.value) {
    const at = toMs(event.ts);
    if (event.source !== source || at < from || at > to) continue;
    const x = ((at - from) / (to - from)) * width;
    const bad = event.event_type !== 'genre_changed' && !event.event_type.endsWith('_ended');
    context.fillStyle = bad ? colours.bad : colours.accent;
    context.fillRect(x - 0.5, 0, 1, y + 10);
    context.beginPath();
    context.moveTo(x - 4, y + 10);
    context.lineTo(x + 4, y + 10);
    context.lineTo(x, y + 3);
    context.fill();
    const words = eventWords(event);
    const textWidth = context.measureText(words).width;
    if (x + 8 + textWidth < Math.min(free, width)) {
      context.textAlign = 'left';
      context.fillText(words, x + 8, y + 12);
      free = x - 6;
    }
  }
}

/** @param {{entry: SourceEntry, rows: [number, number, string][]}} props */
function RibbonTable({ entry, rows }) {
  return html`<details class="as-table">
    <summary>As a table</summary>
    <table>
      <caption class="vh">Genres of the last ten minutes of ${entry.name}</caption>
      <thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Genre</th></tr></thead>
      <tbody>${[...rows]
        .reverse()
        .map(
          ([start, end, label]) =>
            html`<tr key=${start}><td>${clock(start)}</td><td>${clock(end)}</td><td>${label}</td></tr>`,
        )}</tbody>
    </table>
  </details>`;
}

/**
 * @param {{entry: SourceEntry, mel: MelBuffer, titles: TitleSpan[]}} props
 */
export function Timeline({ entry, mel, titles }) {
  const [spanS, setSpan] = useState(60);
  const [colours, setColours] = useState(localStorage.getItem('genred-colours') ?? 'inferno');
  const [frozen, setFrozen] = useState(false);
  const view = useRef(/** @type {View} */ ({ spanMs: 60_000, frozenAt: null, shownTo: 0 }));
  const draw = useMemo(
    () => timelinePainter(entry, mel, view.current, titles),
    [entry, mel, titles],
  );
  view.current.spanMs = spanS * 1000;
  const height = SPECTRUM + RIBBON + TITLES + MARKS + AXIS;
  return html`<section class="panel timeline" aria-labelledby="timeline-title">
    <div class="panel-head">
      <h2 id="timeline-title">Model input</h2>
      <label>Span <select value=${spanS} onChange=${(/** @type {any} */ event) => setSpan(Number(event.currentTarget.value))}>
        ${SPANS_S.map((seconds) => html`<option value=${seconds}>${seconds < 60 ? `${seconds} s` : `${seconds / 60} min`}</option>`)}
      </select></label>
      <label>Colours <select value=${colours} onChange=${(/** @type {any} */ event) => {
        const name = event.currentTarget.value;
        setColours(name);
        localStorage.setItem('genred-colours', name);
        mel.recolour(name);
      }}>${COLOUR_MAPS.map((name) => html`<option value=${name}>${name}</option>`)}</select></label>
      <button type="button" aria-pressed=${frozen} onClick=${() => {
        view.current.frozenAt = frozen ? null : view.current.shownTo;
        setFrozen(!frozen);
      }}>Hold</button>
    </div>
    <div class="timeline-canvas" style=${{ height: `${height}px` }}>
      <${Canvas}
        draw=${draw}
        class="fill"
        label=${`Log-mel spectrogram, 96 bands, the last ${spanS} s. Last ten minutes: ${ribbonWords(entry.ribbon) || 'nothing yet'}`}
      />
    </div>
    <${RibbonTable} entry=${entry} rows=${entry.ribbon} />
  </section>`;
}
