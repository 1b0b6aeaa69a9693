// @ts-check
// Range of a report: a preset, or any two times. It is part of the address.
import { html, useState } from '../ui.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Presets and their length. @type {[string, number][]} */
const PRESETS = [
  ['Hour', HOUR],
  ['Day', DAY],
  ['Week', 7 * DAY],
  ['Month', 30 * DAY],
];

/** @typedef {{from: number, to: number, by: string}} Range */

/**
 * Periods that give a chart of readable density.
 * @param {number} length  In ms.
 */
function periodFor(length) {
  if (length <= 3 * DAY) return 'hour';
  return length <= 60 * DAY ? 'day' : 'week';
}

/**
 * Range of a query; the last day by default.
 * @param {string} search
 * @returns {Range}
 */
export function rangeOf(search) {
  const query = new URLSearchParams(search);
  const to = Number(query.get('to')) || Date.now();
  const from = Number(query.get('from')) || to - DAY;
  return { from, to, by: query.get('by') ?? periodFor(to - from) };
}

/**
 * Value of a `datetime-local` input.
 * @param {number} ms
 */
function localInput(ms) {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/**
 * @param {{range: Range, onChange: (range: Range) => void}} props
 */
export function RangeForm({ range, onChange }) {
  const [message, setMessage] = useState('');

  /** @param {Range} chosen */
  function choose(chosen) {
    const query = new URLSearchParams({
      from: String(chosen.from),
      to: String(chosen.to),
      by: chosen.by,
    });
    history.replaceState(null, '', `${location.pathname}?${query}`);
    setMessage('');
    onChange(chosen);
  }

  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const from = Date.parse(String(fields.get('from')));
    const to = Date.parse(String(fields.get('to')));
    if (!(from < to)) {
      setMessage('The range must begin before it ends.');
      return;
    }
    const by = String(fields.get('by'));
    choose({ from, to, by: by === 'auto' ? periodFor(to - from) : by });
  }

  const length = range.to - range.from;
  return html`<form class="range-form" onSubmit=${submit} key=${`${range.from}-${range.to}`}>
    <div class="segmented" role="group" aria-label="Range">
      ${PRESETS.map(
        ([name, ms]) =>
          html`<button
            type="button"
            aria-pressed=${Math.abs(length - ms) < 60_000}
            onClick=${() => choose({ from: Date.now() - ms, to: Date.now(), by: periodFor(ms) })}
          >${name}</button>`,
      )}
    </div>
    <label>From <input type="datetime-local" name="from" required value=${localInput(range.from)} /></label>
    <label>To <input type="datetime-local" name="to" required value=${localInput(range.to)} /></label>
    <label>Per <select name="by" value=${range.by}>
      ${['auto', 'hour', 'day', 'week', 'all'].map((by) => html`<option value=${by} selected=${by === range.by}>${by}</option>`)}
    </select></label>
    <button type="submit">Show</button>
    ${message && html`<p class="error" role="alert">${message}</p>`}
  </form>`;
}
