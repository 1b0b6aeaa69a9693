// @ts-check
// Last hour and last day of a source, from the as-run log.
import { getJson, sourceRoute } from '../api.js';
import { Canvas } from '../components/canvas.js';
import { drawRibbon } from '../components/ribbon.js';
import { clockMinute, percent, toMs } from '../format.js';
import { genreColour } from '../genres.js';
import { addEarlierEvents } from '../store.js';
import { canvasColours, theme } from '../theme.js';
import { html, useEffect, useMemo, useState } from '../ui.js';

/** @import { History } from '../types.js' */

const REFRESH_MS = 60_000;
const RANGES = { 'Last hour': 3_600_000, 'Last day': 86_400_000 };
const SHOWN_LABELS = 6;

/**
 * Ribbon of the segments of a report.
 * @param {History} history
 * @returns {import('../frames.js').Painter['draw']}
 */
export function historyPainter(history) {
  const from = toMs(history.from);
  const to = toMs(history.to);
  const segments = history.segments.map(
    ({ start, end, label }) => /** @type {const} */ ([toMs(start), toMs(end), label]),
  );
  return (context, width, height, _now, resized) => {
    if (!resized) return;
    context.clearRect(0, 0, width, height);
    context.fillStyle = canvasColours().sunken;
    context.fillRect(0, 0, width, height);
    drawRibbon(context, segments, { from, to, width, height });
  };
}

/**
 * Shares of a period as a list, largest first.
 * @param {{shares: Record<string, number>, limit?: number}} props
 */
export function ShareList({ shares, limit = SHOWN_LABELS }) {
  theme.value;
  const sorted = Object.entries(shares).filter(([, share]) => share > 0.0005);
  sorted.sort((one, other) => other[1] - one[1]);
  return html`<ul class="share-list">${sorted
    .slice(0, limit)
    .map(
      ([label, share]) =>
        html`<li key=${label}><span class="swatch" style=${{ background: genreColour(label) }}></span>${label} <b>${percent(share)}</b></li>`,
    )}</ul>`;
}

/** @param {{title: string, history: History}} props */
function Range({ title, history }) {
  const draw = useMemo(() => historyPainter(history), [history]);
  const total = history.sources[0]?.total;
  const words = total
    ? Object.entries(total.shares)
        .filter(([, share]) => share > 0)
        .map(([label, share]) => `${label} ${percent(share)}`)
        .join(', ')
    : 'nothing';
  return html`<div class="range">
    <h3>${title} <span class="muted">${total ? `coverage ${percent(total.coverage, 1)}, ${total.changes} changes` : 'nothing logged'}</span></h3>
    <${Canvas} key=${history.to} draw=${draw} class="history-ribbon" label=${`${title}: ${words}`} />
    <p class="range-ends muted"><span>${clockMinute(history.from)}</span><span>${clockMinute(history.to)}</span></p>
    ${total && html`<${ShareList} shares=${total.shares} />`}
  </div>`;
}

/** @param {{name: string}} props */
export function RecentHistory({ name }) {
  const [histories, setHistories] = useState(/** @type {Record<string, History>} */ ({}));
  useEffect(() => {
    let wanted = true;
    async function load() {
      if (document.hidden) return;
      for (const [title, length] of Object.entries(RANGES)) {
        const now = Date.now();
        const query = new URLSearchParams({
          from: String(now - length),
          to: String(now),
          by: 'all',
        });
        const history = await getJson(sourceRoute(name, `/history?${query}`)).catch(() => null);
        if (!wanted || !history) continue;
        addEarlierEvents(history.events);
        setHistories((before) => ({ ...before, [title]: history }));
      }
    }
    load();
    const timer = setInterval(load, REFRESH_MS);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [name]);
  return html`<section class="panel recent-history" aria-labelledby="recent-history-title">
    <h2 id="recent-history-title" class="vh">Last hour and last day</h2>
    ${Object.keys(RANGES).map(
      (title) =>
        histories[title] &&
        html`<${Range} key=${title} title=${title} history=${histories[title]} />`,
    )}
    ${Object.keys(histories).length === 0 && html`<p class="muted">Nothing logged yet.</p>`}
  </section>`;
}
