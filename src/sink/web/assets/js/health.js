// @ts-check
// Health of a source: colour, icon and word, and its rank on the wall (trouble first).
import { html } from './ui.js';

/** @import { Source } from './types.js' */

/** @type {Record<string, {tone: 'good'|'warn'|'bad'|'idle', word: string, rank: number}>} */
const CONDITIONS = {
  failed: { tone: 'bad', word: 'failed', rank: 0 },
  stalled: { tone: 'bad', word: 'stalled', rank: 1 },
  recovering: { tone: 'bad', word: 'recovering', rank: 2 },
  dead_air: { tone: 'bad', word: 'dead air', rank: 3 },
  overloaded: { tone: 'warn', word: 'overloaded', rank: 4 },
  slow: { tone: 'warn', word: 'slow', rank: 5 },
  off_format: { tone: 'warn', word: 'off format', rank: 6 },
  talk_limit: { tone: 'warn', word: 'too much talk', rank: 6 },
  imbalance: { tone: 'warn', word: 'imbalance', rank: 6 },
  starting: { tone: 'idle', word: 'starting', rank: 8 },
  paused: { tone: 'idle', word: 'paused', rank: 8 },
  offline: { tone: 'idle', word: 'offline', rank: 8 },
  healthy: { tone: 'good', word: 'healthy', rank: 9 },
};

/**
 * Most urgent condition of a source, and since when.
 * @param {Source} source
 */
export function conditionOf(source) {
  const names = [source.health, ...(source.alerts ?? [])];
  if (source.state?.dead_air === 'ON') names.push('dead_air');
  if (source.settings?.paused) names.push('paused');
  else if (!source.online && source.health === 'healthy') names.push('offline');
  let name = 'healthy';
  for (const candidate of names) {
    if ((CONDITIONS[candidate]?.rank ?? 9) < CONDITIONS[name].rank) name = candidate;
  }
  const since = name === 'dead_air' ? (source.state?.since ?? null) : source.health_since;
  return { name, since, ...CONDITIONS[name] };
}

/** @param {Source} source */
export function troubleRank(source) {
  return conditionOf(source).rank;
}

/** Ranks below this one are trouble. */
export const TROUBLE = 8;

/** Shapes differ, so that health does not depend on colour. */
const SHAPES = {
  good: html`<path d="M3 8.5 6.5 12 13 4.5" />`,
  warn: html`<path d="M8 2 15 14H1Z M8 6.5v3.5 M8 12v.4" />`,
  bad: html`<path d="M3.5 3.5l9 9 M12.5 3.5l-9 9" />`,
  idle: html`<path d="M5 3.5v9 M11 3.5v9" />`,
};

/** @param {{tone: 'good'|'warn'|'bad'|'idle'}} props */
export function HealthIcon({ tone }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[tone]}</svg>`;
}
