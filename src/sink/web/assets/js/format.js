// @ts-check
// Numbers and times as text. Times are local; titles (tooltips) show them in UTC.

/**
 * Fixed number of decimals, with a typographic minus sign; an en dash for `null`.
 * @param {number|null|undefined} value
 * @param {number} [decimals]
 */
export function fixed(value, decimals = 1) {
  if (value == null || !Number.isFinite(value)) return '–';
  return value.toFixed(decimals).replace('-', '−');
}

/**
 * Per cent of a fraction.
 * @param {number|null|undefined} fraction
 * @param {number} [decimals]
 */
export function percent(fraction, decimals = 0) {
  return fraction == null ? '–' : `${fixed(fraction * 100, decimals)} %`;
}

/**
 * Level in LUFS; below −70 it counts as silence.
 * @param {number|null|undefined} lufs
 */
export function loudness(lufs) {
  if (lufs == null) return '–';
  return lufs <= -70 ? '−∞' : fixed(lufs, 1);
}

const timeOfDay = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const minuteOfDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dayAndMinute = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });

/**
 * Milliseconds since 1970 of an RFC 3339 time, or of milliseconds.
 * @param {string|number} time
 */
export function toMs(time) {
  return typeof time === 'number' ? time : Date.parse(time);
}

/** @param {string|number} time */
export function clock(time) {
  return timeOfDay.format(toMs(time));
}

/** @param {string|number} time */
export function clockMinute(time) {
  return minuteOfDay.format(toMs(time));
}

/** @param {string|number} time */
export function date(time) {
  return day.format(toMs(time));
}

/**
 * Time of day, with the day unless it is today.
 * @param {string|number} time
 */
export function when(time) {
  const ms = toMs(time);
  const today = new Date().toDateString() === new Date(ms).toDateString();
  return today ? timeOfDay.format(ms) : dayAndMinute.format(ms);
}

/** @param {string|number} time */
export function iso(time) {
  return new Date(toMs(time)).toISOString();
}

/**
 * Duration with its two largest units.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  if (whole < 86_400)
    return `${Math.floor(whole / 3600)} h ${pad(Math.floor(whole / 60) % 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${pad(Math.floor(whole / 3600) % 24)} h`;
}

/**
 * Duration with its largest unit.
 * @param {number} seconds
 */
export function shortDuration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/**
 * Position in a recording: `1:05`, or `1:02:05`.
 * @param {number} seconds
 */
export function position(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

/** @param {number} value */
function pad(value) {
  return String(value).padStart(2, '0');
}
