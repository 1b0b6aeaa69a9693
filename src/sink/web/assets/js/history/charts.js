// @ts-check
// Charts of a report with uPlot. The tables of the page have the same numbers.
import uPlotModule from '../../vendor/uplot.js';
import { percent, toMs } from '../format.js';
import { genreColour } from '../genres.js';
import { canvasColours, theme } from '../theme.js';
import { html, useEffect, useRef } from '../ui.js';

/** @import { Period } from '../types.js' */

const uPlot = /** @type {typeof import('uplot')} */ (/** @type {unknown} */ (uPlotModule));
const FONT = '12px system-ui, sans-serif';

/** Axes in the colours of the theme. @param {string} unit */
function axes(unit) {
  const { muted, line } = canvasColours();
  const common = {
    stroke: muted,
    font: FONT,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
  };
  return [
    {
      ...common,
      grid: { show: false },
      values: [
        [86_400, '{D} {MMM}', null, null, null, null, null, null, 1],
        [3600, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
        [60, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
        [1, '{HH}:{mm}:{ss}', '\n{D} {MMM}', null, null, null, null, null, 1],
      ],
    },
    {
      ...common,
      size: 52,
      values: (/** @type {any} */ _, /** @type {number[]} */ marks) =>
        marks.map((mark) => `${mark}${unit}`.replace('-', '−')),
    },
  ];
}

/**
 * Chart of uPlot that follows the width of its panel and the theme.
 * @param {{options: (width: number) => any, data: any, height: number, label: string}} props
 */
function Chart({ options, data, height, label }) {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const present = theme.value;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const plot = new uPlot({ height, ...options(element.clientWidth) }, data, element);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [data, present]);
  return html`<div class="chart" role="img" aria-label=${label}><div ref=${box}></div></div>`;
}

/** Ends of the time axis, in s. @param {Period[]} periods */
function timeRange(periods) {
  return [toMs(periods[0].start) / 1000, toMs(/** @type {Period} */ (periods.at(-1)).end) / 1000];
}

/** Middle of each period, in s. @param {Period[]} periods */
function middles(periods) {
  return periods.map(({ start, end }) => (toMs(start) + toMs(end)) / 2000);
}

/**
 * Stacked bars, drawn by a hook of uPlot, since its series do not stack.
 * @param {Period[]} periods
 * @param {string[]} labels
 */
function stackedBars(periods, labels) {
  return (/** @type {any} */ plot) => {
    const { ctx } = plot;
    const ratio = devicePixelRatio || 1;
    for (const period of periods) {
      const left = plot.valToPos(toMs(period.start) / 1000, 'x', true) + ratio;
      const right = plot.valToPos(toMs(period.end) / 1000, 'x', true) - ratio;
      let sum = 0;
      for (const label of labels) {
        const share = period.shares[label] ?? /** @type {any} */ (period)[label] ?? 0;
        if (share <= 0) continue;
        const bottom = plot.valToPos(sum * 100, 'y', true);
        sum += share;
        const top = plot.valToPos(sum * 100, 'y', true);
        ctx.fillStyle = genreColour(label);
        ctx.fillRect(
          left,
          top,
          Math.max(right - left, 1),
          Math.max(bottom - top - ratio * 0.5, 0.5),
        );
      }
    }
  };
}

/** Labels of the periods, the largest share first, then what was not heard. @param {Period[]} periods */
function stackOrder(periods) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { shares, seconds } of periods) {
    for (const [label, share] of Object.entries(shares)) {
      sums.set(label, (sums.get(label) ?? 0) + share * seconds);
    }
  }
  const labels = [...sums].filter(([, sum]) => sum > 0).sort((one, other) => other[1] - one[1]);
  return [...labels.map(([label]) => label), 'outage', 'down'];
}

/**
 * @param {{periods: Period[], by: string}} props
 */
export function SharesChart({ periods, by }) {
  const labels = stackOrder(periods);
  const data = [middles(periods), periods.map(() => null)];
  const options = (/** @type {number} */ width) => ({
    width,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: () => timeRange(periods) }, y: { range: () => [0, 100] } },
    axes: axes(' %'),
    series: [{}, {}],
    hooks: { draw: [stackedBars(periods, labels)] },
  });
  theme.value;
  return html`<${Chart} options=${options} data=${data} height=${280} label=${`Shares of genres per ${by}; see the table`} />
    <ul class="share-list legend">${labels.map(
      (label) =>
        html`<li key=${label}><span class="swatch" style=${{ background: genreColour(label) }}></span>${label}</li>`,
    )}</ul>`;
}

/** @param {{periods: Period[]}} props */
export function LoudnessChart({ periods }) {
  const values = (/** @type {'mean'|'min'|'max'} */ key) =>
    periods.map(({ lufs }) => lufs?.[key] ?? null);
  const data = [middles(periods), values('mean'), values('min'), values('max')];
  const options = (/** @type {number} */ width) => {
    const { accent, meter } = canvasColours();
    return {
      width,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { range: () => timeRange(periods) }, y: { range: () => [-70, 0] } },
      axes: axes(''),
      series: [
        {},
        { stroke: accent, width: 2, points: { show: true, size: 5, fill: accent } },
        { stroke: meter, width: 1, points: { show: false } },
        { stroke: meter, width: 1, points: { show: false } },
      ],
      bands: [{ series: [3, 2], fill: `${meter}40` }],
    };
  };
  return html`<${Chart} options=${options} data=${data} height=${200} label="Loudness per period; see the table of the shares" />`;
}

/** @param {{periods: Period[]}} props */
export function CoverageChart({ periods }) {
  const data = [
    middles(periods),
    periods.map(({ coverage }) => coverage * 100),
    periods.map(({ outage, down }) => (outage + down) * 100),
  ];
  const options = (/** @type {number} */ width) => {
    const { accent, bad } = canvasColours();
    const points = (/** @type {string} */ fill) => ({ show: true, size: 5, fill });
    return {
      width,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { range: () => timeRange(periods) }, y: { range: () => [0, 100] } },
      axes: axes(' %'),
      series: [
        {},
        { stroke: accent, width: 2, points: points(accent) },
        { stroke: bad, width: 2, dash: [5, 4], points: points(bad) },
      ],
    };
  };
  const lowest = Math.min(...periods.map(({ coverage }) => coverage));
  return html`<${Chart} options=${options} data=${data} height=${200} label=${`Coverage per period, at least ${percent(lowest, 1)}`} />
    <ul class="share-list"><li><span class="swatch accent"></span>coverage</li><li><span class="swatch bad"></span>outage or daemon down</li></ul>`;
}
