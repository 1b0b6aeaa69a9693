// @ts-check
// Latest state of every source. Text follows at most twice per second and only on cards in view;
// levels and ribbons are plain values that the animation loop reads.
import { getJson, sourceRoute } from './api.js';
import { toMs } from './format.js';
import { troubleRank } from './health.js';
import { daemonNow } from './stream.js';
import { batch, signal } from './ui.js';

/** @import { Daemon, RibbonSegment, Source, SourceEvent } from './types.js' */

export const RIBBON_MS = 600_000;
const PEAK_HOLD_MS = 3000;
const TEXT_INTERVAL_MS = 500;
const MAX_EVENTS = 300;

/** The daemon; `null` until it is loaded. */
export const daemon = signal(/** @type {Daemon|null} */ (null));

/** Changes with the set of sources, and with the rank of a source. */
export const orderVersion = signal(0);

/** Newest events first. */
export const events = signal(/** @type {SourceEvent[]} */ ([]));

/** Newest level of a source, in LUFS and dBTP. */
export class LevelReading {
  momentary = -70;
  shortTerm = -70;
  /** @type {number|null} */
  truePeak = null;
  /** Largest momentary level of the last three seconds. */
  hold = -70;
  holdUntil = 0;
  /** Changes with each reading. */
  version = 0;

  /** Highest momentary level of the last three seconds. */
  peak() {
    if (performance.now() >= this.holdUntil) this.hold = this.momentary;
    return this.hold;
  }

  /** @param {[number|null, number|null, number|null]} values */
  update([momentary, shortTerm, truePeak]) {
    const now = performance.now();
    this.momentary = momentary ?? -70;
    this.shortTerm = shortTerm ?? -70;
    this.truePeak = truePeak;
    if (this.momentary >= this.hold || now >= this.holdUntil) {
      this.hold = this.momentary;
      this.holdUntil = now + PEAK_HOLD_MS;
    }
    this.version += 1;
  }
}

/** A source with everything that its card shows. */
export class SourceEntry {
  /** @param {Source} source */
  constructor(source) {
    this.name = source.name;
    this.latest = source;
    /** Source as shown; follows `latest`. */
    this.shown = signal(source);
    this.level = new LevelReading();
    /** @type {RibbonSegment[]} */
    this.ribbon = source.ribbon ?? [];
    this.ribbonVersion = 0;
    this.rank = troubleRank(source);
    this.inView = false;
    this.stale = false;
    /** Counts shown levels. */
    this.levelShown = signal(0);
    this.receivedAt = Date.now();
    /** Time of the last state or level. */
    this.heardAt = this.receivedAt;
    this.readLevel(source);
  }

  /**
   * Keeps the ribbon of an earlier run of the daemon.
   * @param {RibbonSegment[]} earlier
   */
  keepRibbon(earlier) {
    const start = this.ribbon[0]?.[0] ?? Number.POSITIVE_INFINITY;
    this.ribbon.unshift(...earlier.filter(([, end]) => end <= start));
  }

  /** @param {Source} source */
  readLevel({ online, state }) {
    if (!online) this.level.update([null, null, null]);
    else if (state) this.level.update([state.lufs_m, state.lufs_s, state.true_peak_db]);
  }

  /** @param {Source} source */
  update(source) {
    if (this.latest.online && !source.online) this.readLevel(source);
    this.latest = source;
    this.receivedAt = Date.now();
    this.heardAt = this.receivedAt;
    this.stale = true;
    this.extendRibbon();
    const rank = troubleRank(source);
    if (rank !== this.rank) {
      this.rank = rank;
      return true;
    }
    return false;
  }

  /** @param {[number|null, number|null, number|null]} values */
  updateLevel(values) {
    this.level.update(values);
    this.heardAt = Date.now();
    this.extendRibbon();
  }

  /** Newest time of the sound, in ms: the right edge of the ribbon. */
  edge() {
    const { last_audio: last, online, health_since: since } = this.latest;
    if (!last) return daemonNow();
    if (online) return toMs(last) + this.heardAt - this.receivedAt;
    // A recording may have a clock of its own: only the length of the outage counts.
    return toMs(last) + (since ? Math.max(0, daemonNow() - toMs(since)) : 0);
  }

  extendRibbon() {
    const { online, state } = this.latest;
    const label = online ? (state?.genre ?? 'uncertain') : 'lost';
    const edge = this.edge();
    const newest = this.ribbon.at(-1);
    this.ribbonVersion += 1;
    if (newest && newest[2] === label) {
      newest[1] = Math.max(newest[1], edge);
      return;
    }
    const since = online && state ? toMs(state.since) : (newest?.[1] ?? edge);
    // A change is decided some seconds after the sound changed.
    const start = newest ? Math.max(newest[0], Math.min(since, edge)) : since;
    if (newest) newest[1] = Math.min(newest[1], start);
    this.ribbon.push([start, edge, label]);
    while (this.ribbon.length > 1 && this.ribbon[0][1] < edge - RIBBON_MS) this.ribbon.shift();
  }

  /** Shows the latest values. */
  flush() {
    const silent = Date.now() - this.heardAt;
    // Without news the text changes, too: it contains the age of the values.
    this.levelShown.value = silent > 2 * TEXT_INTERVAL_MS ? Date.now() : this.level.version;
    if (!this.latest.online) this.extendRibbon();
    if (!this.stale) return;
    this.stale = false;
    this.shown.value = this.latest;
  }
}

/** @type {Map<string, SourceEntry>} */
export const entries = new Map();

/** Loads daemon and sources, ribbons included. */
export async function loadSources() {
  const [about, { sources }] = await Promise.all([getJson('daemon'), getJson('sources')]);
  batch(() => {
    const before = new Map(entries);
    entries.clear();
    for (const source of sources) {
      const entry = new SourceEntry(source);
      entry.keepRibbon(before.get(source.name)?.ribbon ?? []);
      entries.set(source.name, entry);
    }
    daemon.value = about;
    orderVersion.value += 1;
  });
}

/**
 * Loads the daemon and one source.
 * @param {string} name
 */
export async function loadSource(name) {
  const [about, source] = await Promise.all([getJson('daemon'), getJson(sourceRoute(name))]);
  batch(() => {
    entries.set(name, new SourceEntry(source));
    daemon.value = about;
    orderVersion.value += 1;
  });
}

/** @param {Source} source */
export function onState(source) {
  const entry = entries.get(source.name);
  if (!entry) {
    entries.set(source.name, new SourceEntry(source));
    orderVersion.value += 1;
  } else if (entry.update(source)) {
    entry.flush();
    orderVersion.value += 1;
  }
}

/** @param {{levels: Record<string, [number|null, number|null, number|null]>}} message */
export function onLevel({ levels }) {
  for (const name in levels) entries.get(name)?.updateLevel(levels[name]);
}

/** @param {SourceEvent} event */
export function onEvent(event) {
  events.value = [event, ...events.value].slice(0, MAX_EVENTS);
}

/**
 * Adds events from the log to those of the stream.
 * @param {SourceEvent[]} earlier
 */
export function addEarlierEvents(earlier) {
  const key = (/** @type {SourceEvent} */ { run, source, seq }) => `${run}/${source}/${seq}`;
  const known = new Set(events.value.map(key));
  const added = earlier.filter((event) => !known.has(key(event)));
  if (added.length === 0) return;
  const all = [...events.value, ...added].sort((one, other) => toMs(other.ts) - toMs(one.ts));
  events.value = all.slice(0, MAX_EVENTS);
}

setInterval(() => {
  if (document.hidden) return;
  batch(() => {
    for (const entry of entries.values()) if (entry.inView) entry.flush();
  });
}, TEXT_INTERVAL_MS);
