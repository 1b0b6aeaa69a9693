// @ts-check
import { shortDuration } from '../format.js';

/** @import { RibbonSegment } from '../types.js' */

/**
 * Time per label in words, longest first: `rock 6 min, speech 40 s`.
 * @param {readonly RibbonSegment[]} segments
 */
export function ribbonWords(segments) {
  /** @type {Map<string, number>} */
  const times = new Map();
  for (const [start, end, label] of segments) {
    times.set(label, (times.get(label) ?? 0) + (end - start) / 1000);
  }
  const parts = [...times].sort((one, other) => other[1] - one[1]);
  return parts.map(([label, seconds]) => `${label} ${shortDuration(seconds)}`).join(', ');
}
