// @ts-check
// Verdicts of the try-it page: the present one, one line for every three seconds, and a timeline.
import { Canvas } from '../components/canvas.js';
import { drawRibbon } from '../components/ribbon.js';
import { percent, position } from '../format.js';
import { genreColour, stateWords } from '../genres.js';
import { canvasColours, theme } from '../theme.js';
import { html, useMemo } from '../ui.js';

/** @import { Verdict, Window } from '../types.js' */

const TOP = 3;
const INTERVAL_S = 3;

/**
 * Best labels of a verdict.
 * @param {Record<string, number>} scores
 */
export function best(scores) {
  return Object.entries(scores)
    .sort((one, other) => other[1] - one[1])
    .slice(0, TOP);
}

/**
 * Mean scores of windows.
 * @param {Window[]} windows
 */
export function meanScores(windows) {
  /** @type {Record<string, number>} */
  const means = {};
  for (const { scores } of windows) {
    for (const [label, p] of Object.entries(scores))
      means[label] = (means[label] ?? 0) + p / windows.length;
  }
  return means;
}

/**
 * One window for every three seconds.
 * @param {Window[]} windows
 */
export function everyThreeSeconds(windows) {
  let next = Number.NEGATIVE_INFINITY;
  return windows.filter(({ start }) => {
    if (start < next - 0.1) return false;
    next = start + INTERVAL_S;
    return true;
  });
}

/** @param {{scores: Record<string, number>}} props */
export function TopThree({ scores }) {
  return html`<ol class="top-three">${best(scores).map(
    ([label, p]) => html`<li key=${label}>
      <span class="label"><span class="swatch" style=${{ background: genreColour(label) }}></span>${label}</span>
      <span class="bar" aria-hidden="true"><span style=${{ width: `${p * 100}%`, background: genreColour(label) }}></span></span>
      <span class="number">${percent(p)}</span>
    </li>`,
  )}</ol>`;
}

/**
 * Verdict in large type, and what it means.
 * @param {{verdict: Verdict, title: string}} props
 */
export function BigVerdict({ verdict, title }) {
  theme.value;
  const plain = stateWords(verdict.genre);
  return html`<div class="big-verdict" style=${{ '--genre': genreColour(verdict.genre) }}>
    <p class="muted">${title}</p>
    <p class="genre">${verdict.genre}${verdict.confidence != null && html` <span class="confidence">${percent(verdict.confidence)}</span>`}</p>
    ${plain && html`<p class="plain">${plain}</p>`}
    <${TopThree} scores=${verdict.scores} />
  </div>`;
}

/** @param {{windows: Window[]}} props */
export function WindowTable({ windows }) {
  theme.value;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Verdict every three seconds"><table class="windows">
    <thead><tr><th scope="col">Time</th><th scope="col">Verdict</th><th scope="col">Top three</th></tr></thead>
    <tbody>${everyThreeSeconds(windows).map(
      (window) => html`<tr key=${window.start}>
        <td>${position(Math.round(window.start))}</td>
        <td><span class="swatch" style=${{ background: genreColour(window.genre) }}></span>${window.genre}</td>
        <td class="muted">${best(window.scores)
          .map(([label, p]) => `${label} ${percent(p)}`)
          .join(', ')}</td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}

const SPECTRUM = 120;
const RIBBON = 26;

/**
 * Timeline with the picture of the sound, where there is one, and the verdicts below.
 * @param {{windows: Window[], duration: number, picture: HTMLCanvasElement|null,
 *          player: HTMLAudioElement|null, onSeek: (seconds: number) => void}} props
 */
export function ResultTimeline({ windows, duration, picture, player, onSeek }) {
  const draw = useMemo(() => {
    let drawn = -1;
    /** @type {import('../frames.js').Painter['draw']} */
    const painter = (context, width, height, _now, resized) => {
      const at = player && !player.paused ? player.currentTime : (player?.currentTime ?? 0);
      if (!resized && drawn === at) return;
      drawn = at;
      const colours = canvasColours();
      const top = picture ? SPECTRUM + 4 : 0;
      context.clearRect(0, 0, width, height);
      if (picture) context.drawImage(picture, 0, 0, width, SPECTRUM);
      context.fillStyle = colours.sunken;
      context.fillRect(0, top, width, RIBBON);
      const segments = windows.map(({ start, genre }, index) => {
        const end = windows[index + 1]?.start ?? duration;
        return /** @type {const} */ ([start, end, genre]);
      });
      drawRibbon(context, merged(segments), {
        from: 0,
        to: duration,
        y: top,
        width,
        height: RIBBON,
      });
      drawTimes(context, width, top + RIBBON, duration);
      if (player && at > 0) {
        context.fillStyle = colours.text;
        context.fillRect((at / duration) * width - 1, 0, 2, top + RIBBON);
      }
    };
    return painter;
  }, [windows, duration, picture, player]);
  const height = (picture ? SPECTRUM + 4 : 0) + RIBBON + 20;
  /** @param {MouseEvent} event */
  function seek(event) {
    const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    onSeek(((event.clientX - box.left) / box.width) * duration);
  }
  return html`<div class="result-timeline" style=${{ height: `${height}px` }} onClick=${seek}>
    <${Canvas} key=${`${windows.length}-${Boolean(picture)}-${duration}`} draw=${draw} class="fill" label="Verdicts over time; see the table" />
  </div>`;
}

/**
 * Neighbours with the same label as one segment.
 * @param {(readonly [number, number, string])[]} segments
 */
function merged(segments) {
  /** @type {[number, number, string][]} */
  const joined = [];
  for (const [start, end, label] of segments) {
    const last = joined.at(-1);
    if (last && last[2] === label) last[1] = end;
    else joined.push([start, end, label]);
  }
  return joined;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} y
 * @param {number} duration
 */
function drawTimes(context, width, y, duration) {
  const step =
    [1, 5, 10, 30, 60, 300, 600, 1800].find((seconds) => duration / seconds <= 10) ?? 3600;
  context.fillStyle = canvasColours().muted;
  context.font = '12px system-ui, sans-serif';
  context.textAlign = 'left';
  for (let at = 0; at < duration; at += step) {
    const x = (at / duration) * width;
    context.fillRect(Math.round(x), y, 1, 5);
    if (x < width - 30) context.fillText(position(at), x + 3, y + 14);
  }
}
