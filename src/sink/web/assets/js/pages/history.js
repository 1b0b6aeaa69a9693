// @ts-check
// History of a source: the charts of the report for any range.
import { getJson, logins, sourceRoute } from '../api.js';
import { address, sourcePath } from '../base.js';
import { Canvas } from '../components/canvas.js';
import { EventLine, eventAnchor } from '../components/event_line.js';
import { fixed, percent, toMs, when } from '../format.js';
import { CoverageChart, LoudnessChart, SharesChart } from '../history/charts.js';
import { RangeForm, rangeOf } from '../history/range.js';
import { historyPainter, ShareList } from '../source/recent.js';
import { html, useEffect, useMemo, useState } from '../ui.js';

/** @import { History, Period } from '../types.js' */

const MAX_ROWS = 500;

/**
 * @param {string} name
 * @param {{from: number, to: number, by: string}} range
 */
function useHistory(name, { from, to, by }) {
  const [history, setHistory] = useState(/** @type {History|null} */ (null));
  const [failure, setFailure] = useState('');
  const login = logins.value;
  useEffect(() => {
    let wanted = true;
    const query = new URLSearchParams({ from: String(from), to: String(to), by });
    getJson(sourceRoute(name, `/history?${query}`))
      .then((loaded) => {
        if (!wanted) return;
        setHistory(loaded);
        setFailure('');
      })
      .catch((error) => wanted && setFailure(error.message));
    return () => {
      wanted = false;
    };
  }, [name, from, to, by, login]);
  return { history, failure };
}

/** @param {{total: Period}} props */
function Totals({ total }) {
  const rows = [
    ['Coverage', percent(total.coverage, 1)],
    ['Outage', percent(total.outage, 1)],
    ['Daemon down', percent(total.down, 1)],
    ['Unheard', percent(total.unheard, 1)],
    ['Changes', total.changes],
    ['Off format', percent(total.off_format, 1)],
    ['Loudness, mean', total.lufs ? `${fixed(total.lufs.mean)} LUFS` : '–'],
    ['min, max', total.lufs ? `${fixed(total.lufs.min)}, ${fixed(total.lufs.max)}` : '–'],
  ];
  return html`<dl class="totals">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @param {{periods: Period[]}} props */
function PeriodTable({ periods }) {
  const labels = [...new Set(periods.flatMap(({ shares }) => Object.keys(shares)))];
  return html`<details class="as-table">
    <summary>As a table</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="Shares per period"><table>
      <thead><tr><th scope="col">Period</th><th scope="col" class="number">Coverage</th><th scope="col" class="number">LUFS</th>
        ${labels.map((label) => html`<th scope="col" class="number" key=${label}>${label}</th>`)}</tr></thead>
      <tbody>${periods.map(
        (period) => html`<tr key=${period.start}><th scope="row">${when(period.start)}</th>
          <td class="number">${percent(period.coverage, 1)}</td><td class="number">${fixed(period.lufs?.mean)}</td>
          ${labels.map((label) => html`<td class="number" key=${label}>${percent(period.shares[label] ?? 0, 1)}</td>`)}</tr>`,
      )}</tbody>
    </table></div>
  </details>`;
}

/** @param {{history: History}} props */
function SegmentTable({ history }) {
  const rows = history.segments.slice(-MAX_ROWS).reverse();
  return html`<details class="as-table segments">
    <summary>${history.segments.length} segments as a table</summary>
    ${rows.length < history.segments.length && html`<p>The newest ${MAX_ROWS}; the download has all.</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="Segments"><table>
      <thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Genre</th><th scope="col" class="number">Confidence</th><th scope="col" class="number">LUFS</th><th scope="col">Title</th></tr></thead>
      <tbody>${rows.map(
        (
          segment,
        ) => html`<tr key=${segment.start}><td>${when(segment.start)}</td><td>${when(segment.end)}</td><td>${segment.label}</td>
          <td class="number">${percent(segment.confidence)}</td><td class="number">${fixed(segment.lufs?.mean)}</td><td>${segment.title ?? ''}</td></tr>`,
      )}</tbody>
    </table></div>
  </details>`;
}

/** @param {{name: string, history: History}} props */
function Events({ name, history }) {
  const list = [...history.events]
    .sort((one, other) => toMs(other.ts) - toMs(one.ts))
    .slice(0, MAX_ROWS);
  // An address with an anchor points to an event that is in the page only now.
  useEffect(() => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    target.classList.add('target');
    target.scrollIntoView({ block: 'center' });
    return () => target.classList.remove('target');
  }, [history]);
  return html`<section class="panel" aria-labelledby="history-events">
    <h2 id="history-events">Events <span class="muted">${history.events.length}</span></h2>
    ${list.length === 0 && html`<p class="muted">None in this range.</p>`}
    <ol class="event-columns">${list.map(
      (event) =>
        html`<${EventLine} key=${eventAnchor(event)} id=${eventAnchor(event)} event=${{ ...event, source: name }} />`,
    )}</ol>
  </section>`;
}

/** @param {{name: string, history: History}} props */
function Report({ name, history }) {
  const report = history.sources[0];
  const draw = useMemo(() => historyPainter(history), [history]);
  if (!report) return html`<p class="notice">Nothing is logged of this time.</p>`;
  return html`<div class="history-grid">
    <section class="panel wide" aria-labelledby="whole-title">
      <h2 id="whole-title">${when(history.from)} to ${when(history.to)}</h2>
      <${Canvas} key=${history.from + history.to} draw=${draw} class="history-ribbon" label="Genres over the range" />
      <${ShareList} shares=${report.total.shares} limit=${20} />
      <${Totals} total=${report.total} />
      <${SegmentTable} history=${history} />
    </section>
    <section class="panel wide" aria-labelledby="shares-title">
      <h2 id="shares-title">Shares per ${history.by}</h2>
      <${SharesChart} periods=${report.periods} by=${history.by} />
      <${PeriodTable} periods=${report.periods} />
    </section>
    <section class="panel" aria-labelledby="loudness-title">
      <h2 id="loudness-title">Loudness <span class="muted">LUFS, short-term: mean, smallest and largest</span></h2>
      <${LoudnessChart} periods=${report.periods} />
    </section>
    <section class="panel" aria-labelledby="coverage-title">
      <h2 id="coverage-title">Coverage <span class="muted">% of the time with audio; outages</span></h2>
      <${CoverageChart} periods=${report.periods} />
    </section>
    <div class="wide"><${Events} name=${name} history=${history} /></div>
  </div>`;
}

/** @param {{name: string}} props */
export function Page({ name }) {
  const [range, setRange] = useState(rangeOf(location.search));
  const { history, failure } = useHistory(name, range);
  useEffect(() => {
    document.title = `${name}, history – genred`;
  }, [name]);
  const query = new URLSearchParams({
    from: String(range.from),
    to: String(range.to),
    by: range.by,
  });
  const file = (/** @type {string} */ format) =>
    address(`api/v1/${sourceRoute(name, `/history?${query}&format=${format}`)}`);
  return html`<div class="page-head">
      <h1>${history?.sources[0]?.name ?? name} <span class="muted">history</span></h1>
      <nav aria-label="This source">
        <a class="button" href=${sourcePath(name)}>Live</a>
        <a class="button" href=${file('csv')} download=${`${name}.csv`}>CSV</a>
        <a class="button" href=${file('json')} download=${`${name}.json`}>JSON</a>
      </nav>
    </div>
    <${RangeForm} range=${range} onChange=${setRange} />
    ${failure && html`<p class="notice error" role="alert">${failure}</p>`}
    ${!history && !failure && html`<p class="loading">Loading …</p>`}
    ${history && !failure && html`<${Report} name=${name} history=${history} />`}`;
}
