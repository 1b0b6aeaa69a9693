// @ts-check
// Fixed scale of the level meters.

/** Lowest level of the scale, in LUFS; the highest is 0. */
export const LOWEST = -60;

/**
 * Position of a level on the scale, 0 to 1.
 * @param {number} lufs
 */
export function onScale(lufs) {
  return Math.min(1, Math.max(0, (lufs - LOWEST) / -LOWEST));
}
