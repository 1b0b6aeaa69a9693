// @ts-check
// Explanation of the present decision: shares of the present segment, what another state needs, and
// the sentence of `genred why`.
import { duration, fixed, percent, toMs } from '../format.js';
import { genreColour, stateWords } from '../genres.js';
import { theme } from '../theme.js';
import { html } from '../ui.js';

/** @import { Explanation } from '../types.js' */

const SHOWN_STATES = 6;
const SHOWN_POSTERIORS = 4;
/** Time over which the trend of a lead is measured. */
const TREND_MS = 8000;

/** Trend of the candidate's lead over the last seconds. */
export class LeadTrend {
  /** @type {{t: number, ahead: number, key: string}[]} */
  points = [];

  /**
   * Adds a patch; returns the lead gained per second, or `null` if it is not known.
   * @param {Explanation} explanation
   */
  add({ ts, choice }) {
    if (!choice) {
      this.points = [];
      return null;
    }
    const key = `${choice.candidate}/${choice.against}`;
    const t = toMs(ts);
    this.points = this.points.filter((point) => point.key === key && t - point.t <= TREND_MS);
    this.points.push({ t, ahead: choice.ahead, key });
    const first = this.points[0];
    if (t - first.t < TREND_MS / 3) return null;
    return ((choice.ahead - first.ahead) / (t - first.t)) * 1000;
  }
}

/**
 * Expected change of the published state, in words; `null` without one.
 * @param {Explanation} explanation
 * @param {number|null} perSecond  Lead gained per second.
 */
export function changeWords({ choice, held, kept_for_s: keptFor, published }, perSecond) {
  if (!choice || choice.candidate === published.genre) return null;
  if (choice.passes && choice.candidate === held) return null;
  const missing = choice.needed - choice.ahead;
  const bySwitch = perSecond && perSecond > 0.001 && missing > 0 ? missing / perSecond : null;
  const times = [bySwitch, keptFor].filter((time) => time != null && time < 600);
  if (times.length === 0) return null;
  const soonest = Math.min(...times.map(Number));
  if (soonest === keptFor) return `would give up ${held} in ${duration(soonest)} at the latest`;
  return `would change to ${choice.candidate} in about ${duration(soonest)}`;
}

/**
 * Bar with an optional mark.
 * @param {{label: string, value: number, mark?: number|null, markWords?: string,
 *   tag?: string}} props
 */
function Bar({ label, value, mark = null, markWords, tag }) {
  return html`<tr>
    <th scope="row"><span class="swatch" style=${{ background: genreColour(label) }}></span>${label}${tag && html` <span class="tag">${tag}</span>`}</th>
    <td class="bar-cell" aria-hidden="true">
      <span class="bar"><span style=${{ width: `${Math.min(1, value) * 100}%`, background: genreColour(label) }}></span>
      ${mark != null && mark <= 1 && html`<i class="needed" style=${{ left: `${mark * 100}%` }} title=${markWords}></i>`}</span>
    </td>
    <td class="number">${fixed(value, 2)}</td>
  </tr>`;
}

/** @param {{explanation: Explanation}} props */
function Shares({ explanation }) {
  const { sound, choice, held, published } = explanation;
  const rivalShare =
    sound.states.find(({ state }) => state === choice?.against)?.share ??
    1 / Math.max(1, sound.states.length);
  const needed = choice && !choice.passes ? rivalShare + choice.needed : null;
  return html`<table class="bars">
    <caption>
      Share of the present sound (${duration(sound.age_s)})
      ${needed != null && needed <= 1 && html`<span class="muted"> ┆ ${choice?.candidate} needs ${fixed(needed, 2)}</span>`}
    </caption>
    <tbody>${sound.states.slice(0, SHOWN_STATES).map(
      ({ state, share }) =>
        html`<${Bar}
          key=${state}
          label=${state}
          value=${share}
          mark=${state === choice?.candidate ? needed : null}
          markWords="needed for a change"
          tag=${state === published.genre ? 'published' : state === held ? 'held' : ''}
        />`,
    )}</tbody>
  </table>`;
}

/** @param {{explanation: Explanation}} props */
function NewestPatch({ explanation }) {
  const { posteriors, gate, weighed } = explanation;
  const parts = gate ? Object.entries(gate).map(([name, p]) => `${name} ${percent(p)}`) : [];
  return html`<table class="bars newest">
      <caption>Newest three seconds alone${weighed === false ? ' (not counted)' : ''}</caption>
      <tbody>${posteriors
        .slice(0, SHOWN_POSTERIORS)
        .map(({ label, p }) => html`<${Bar} key=${label} label=${label} value=${p} />`)}</tbody>
    </table>
    ${gate && html`<p class="gate muted">Gate: ${parts.join(', ')}</p>`}`;
}

/**
 * @param {{explanation: Explanation|null, perSecond: number|null, online: boolean}} props
 */
export function Evidence({ explanation, perSecond, online }) {
  theme.value;
  if (!explanation) {
    const words = online ? 'Waiting for the next patch …' : 'No audio, no evidence.';
    return html`<section class="panel evidence"><h2>Why</h2><p class="muted">${words}</p></section>`;
  }
  const change = changeWords(explanation, perSecond);
  const plain = stateWords(explanation.published.genre);
  const words = explanation.words;
  return html`<section class="panel evidence" aria-labelledby="why-title">
    <h2 id="why-title">Why</h2>
    ${plain && html`<p class="plain">${plain}</p>`}
    <p class="words">${words.charAt(0).toUpperCase() + words.slice(1)}.</p>
    <p class="change" data-empty=${!change}>${change ?? 'no change in sight'}</p>
    <div class="evidence-bars">
      <${Shares} explanation=${explanation} />
      <div><${NewestPatch} explanation=${explanation} /></div>
    </div>
  </section>`;
}
