// @ts-check
// Page of one source.
import { logins, persistently } from '../api.js';
import { address, sourcePath } from '../base.js';
import { Canvas } from '../components/canvas.js';
import { freshness } from '../components/card.js';
import { announceEvent, EventLine } from '../components/event_line.js';
import { meterPainter } from '../components/meter.js';
import { clock, duration, fixed, loudness, percent, toMs } from '../format.js';
import { genreColour } from '../genres.js';
import { conditionOf, HealthIcon } from '../health.js';
import { Correction } from '../source/correction.js';
import { Evidence, LeadTrend } from '../source/evidence.js';
import { MelBuffer } from '../source/mel_buffer.js';
import { RecentHistory } from '../source/recent.js';
import { SettingsForm } from '../source/settings.js';
import { Timeline } from '../source/timeline.js';
import { daemon, entries, events, loadSource, onEvent, onLevel, onState } from '../store.js';
import { daemonNow, openStream } from '../stream.js';
import { theme } from '../theme.js';
import { html, signal, useEffect, useMemo, useState } from '../ui.js';

/** @import { SourceEntry } from '../store.js' */
/** @import { Explanation, Source } from '../types.js' */

const LISTED_EVENTS = 30;

/** Data that the stream of a source fills. @param {string} name */
function newFeed(name) {
  return {
    name,
    mel: new MelBuffer(localStorage.getItem('genred-colours') ?? 'inferno'),
    trend: new LeadTrend(),
    /** @type {import('../source/timeline.js').TitleSpan[]} */
    titles: [],
    explanation: signal(/** @type {Explanation|null} */ (null)),
    perSecond: /** @type {number|null} */ (null),
  };
}

/**
 * @param {ReturnType<typeof newFeed>} feed
 * @param {Source} source
 */
function noteTitle(feed, source) {
  const title = source.attributes?.title;
  if (!title || feed.titles.at(-1)?.title === title) return;
  const start = feed.titles.length === 0 ? 0 : toMs(source.attributes?.ts ?? Date.now());
  feed.titles.push({ start, title });
}

/** @param {string} name */
function useSource(name) {
  const [failure, setFailure] = useState('');
  const feed = useMemo(() => newFeed(name), [name]);
  const login = logins.value;
  useEffect(() => {
    let close = () => {};
    let wanted = true;
    persistently(() => loadSource(name), { onFailure: setFailure, isWanted: () => wanted }).then(
      (loaded) => {
        if (!loaded) return;
        const entry = /** @type {SourceEntry} */ (entries.get(name));
        entry.inView = true;
        noteTitle(feed, entry.latest);
        close = openStream({
          sources: [name],
          topics: ['state', 'event', 'level', 'mel', 'explain'],
          handlers: {
            state: (source) => {
              onState(source);
              noteTitle(feed, source);
            },
            level: onLevel,
            event: (event) => {
              onEvent(event);
              announceEvent(event);
            },
            mel: (chunk) => feed.mel.add(chunk),
            explain: (explanation) => {
              feed.perSecond = feed.trend.add(explanation);
              feed.explanation.value = explanation;
            },
          },
        });
      },
    );
    return () => {
      wanted = false;
      close();
    };
  }, [name, login, feed]);
  return { feed, failure };
}

/** @param {{entry: SourceEntry, source: Source}} props */
function Summary({ entry, source }) {
  const drawMeter = useMemo(() => meterPainter(entry.level), [entry]);
  const { state, attributes } = source;
  const condition = conditionOf(source);
  const fresh = freshness(entry, source);
  const genre = source.online ? (state?.genre ?? 'uncertain') : 'lost';
  theme.value;
  entry.levelShown.value;
  const { momentary, shortTerm, truePeak } = entry.level;
  const tags = attributes?.tags?.map(({ label }) => label).join(', ');
  return html`<section class="panel summary-panel" data-late=${fresh.late} style=${{ '--genre': genreColour(genre) }}>
    <p class="genre">${genre}</p>
    <p class="confidence">${state?.confidence == null ? '' : percent(state.confidence)}</p>
    <p class="muted">
      ${state && source.online && html`since ${clock(state.since)} (${duration((daemonNow() - toMs(state.since)) / 1000)})`}
    </p>
    <p class="title">${attributes?.title ?? ''}</p>
    ${tags && html`<p class="muted tags">${tags}</p>`}
    <div class="meter">
      <${Canvas} draw=${drawMeter} class="meter-canvas" />
      <span class="levels">
        <span title="Momentary loudness, 0.4 s"><abbr>M</abbr> ${loudness(source.online ? momentary : null)}</span>
        <span title="Short-term loudness, 3 s"><abbr>S</abbr> ${loudness(source.online ? shortTerm : null)} LUFS</span>
        ${truePeak != null && html`<span title="True peak"><abbr>TP</abbr> ${fixed(truePeak)} dBTP</span>`}
      </span>
    </div>
    <p class=${`health tone-${condition.tone}`}>
      <${HealthIcon} tone=${condition.tone} />
      <span>${condition.word}${condition.since && condition.tone !== 'good' ? ` since ${clock(condition.since)}` : ''}</span>
      <span class="muted fresh">${fresh.words}</span>
    </p>
    ${source.health_reason && html`<p class="reason">${source.health_reason}</p>`}
  </section>`;
}

/** @param {{source: Source}} props */
function Counters({ source }) {
  const stats = source.stats;
  if (!stats) return null;
  const rows = [
    ['Patches produced', stats.produced],
    ['scored', stats.scored],
    ['dropped', stats.dropped],
    ['Skipped audio', `${fixed(stats.skipped_s, 1)} s`],
    ['Overruns', stats.xruns],
    ['Reconnections', stats.reconnects],
    [
      'Latency, median',
      stats.latency_ms_p50 == null ? '–' : `${fixed(stats.latency_ms_p50, 1)} ms`,
    ],
    ['Latency, 99 %', stats.latency_ms_p99 == null ? '–' : `${fixed(stats.latency_ms_p99, 1)} ms`],
  ];
  return html`<section class="panel" aria-labelledby="counters-title">
    <h2 id="counters-title">Counters</h2>
    <dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <p class="muted uri"><code>${source.uri}</code></p>
  </section>`;
}

/** @param {{name: string}} props */
function SourceEvents({ name }) {
  const list = events.value.filter((event) => event.source === name).slice(0, LISTED_EVENTS);
  return html`<section class="panel" aria-labelledby="events-title">
    <h2 id="events-title">Events</h2>
    ${list.length === 0 && html`<p class="muted">None yet.</p>`}
    <ol class="events">${list.map((event) => html`<${EventLine} key=${`${event.run}/${event.seq}`} event=${event} />`)}</ol>
    <p><a href=${sourcePath(name, '/history')}>All events, in the history</a></p>
  </section>`;
}

/** @param {{feed: ReturnType<typeof newFeed>, online: boolean}} props */
function LiveEvidence({ feed, online }) {
  return html`<${Evidence} explanation=${feed.explanation.value} perSecond=${feed.perSecond} online=${online} />`;
}

/** @param {{name: string}} props */
export function Page({ name }) {
  const { feed, failure } = useSource(name);
  const about = daemon.value;
  const entry = entries.get(name);
  const source = entry?.shown.value;
  useEffect(() => {
    document.title = `${source?.source_name ?? name} – genred`;
  }, [source?.source_name, name]);
  if (failure) {
    return html`<section class="notice"><h1>${name}</h1><p>${failure}</p><p><a href="./">All sources</a></p></section>`;
  }
  if (!entry || !source || !about) return html`<p class="loading">Loading …</p>`;
  return html`<div class="page-head">
      <h1>${source.source_name}</h1>
      <nav aria-label="This source">
        <a class="button" href=${sourcePath(name, '/history')}>History</a>
        <a class="button" href=${address(`api/v1/sources/${encodeURIComponent(name)}`)} target="_blank">JSON</a>
      </nav>
    </div>
    <div class="source-grid">
      <${Summary} entry=${entry} source=${source} />
      <${LiveEvidence} feed=${feed} online=${source.online} />
      <${Timeline} entry=${entry} mel=${feed.mel} titles=${feed.titles} />
      ${about.log && html`<${RecentHistory} name=${name} />`}
      <${SourceEvents} name=${name} />
      <${Correction} name=${name} labels=${about.labels} allowed=${about.control} />
      ${source.settings && html`<${SettingsForm} name=${name} settings=${source.settings} allowed=${about.control} />`}
      <${Counters} source=${source} />
    </div>`;
}
