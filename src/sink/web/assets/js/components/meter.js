// @ts-check
// Level meter on a fixed scale: bar of the momentary loudness (M), tick of the short-term loudness
// (S), and the highest M of the last three seconds.
import { canvasColours, reducedMotion } from '../theme.js';

import { LOWEST, onScale } from './meter_scale.js';

/** @import { LevelReading } from '../store.js' */

/** Marks of the scale in LUFS; −23 is the target of EBU R128. */
const MARKS = [-50, -40, -30, -23, -18, -14, -9];
/** Highest permitted true peak of EBU R128, in dBTP. */
const PEAK_LIMIT = -1;

/**
 * Drawing function of a meter.
 * @param {LevelReading} level
 * @returns {import('../frames.js').Painter['draw']}
 */
export function meterPainter(level) {
  let shown = onScale(level.momentary);
  let drawn = -1;
  let last = 0;
  return (context, width, height, now, resized) => {
    const target = onScale(level.momentary);
    if (!resized && drawn === level.version && Math.abs(target - shown) * width < 0.5) return;
    const elapsed = Math.min(now - last, 100);
    last = now;
    const step = reducedMotion.value ? 1 : 1 - Math.exp(-elapsed / (target > shown ? 60 : 180));
    shown += (target - shown) * step;
    drawn = level.version;
    draw(context, width, height, shown, level);
  };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 * @param {number} shown
 * @param {LevelReading} level
 */
function draw(context, width, height, shown, level) {
  const colours = canvasColours();
  context.fillStyle = colours.sunken;
  context.fillRect(0, 0, width, height);
  context.fillStyle = colours.meter;
  context.fillRect(0, 0, width * shown, height);
  context.fillStyle = colours.card;
  for (const mark of MARKS) {
    const strong = mark === -23;
    const top = strong ? 0 : height * 0.55;
    context.fillRect(Math.round(width * onScale(mark)), top, strong ? 1.5 : 1, height - top);
  }
  const hot = level.truePeak != null && level.truePeak > PEAK_LIMIT;
  context.fillStyle = hot ? colours.bad : colours.accent;
  if (level.peak() > LOWEST) context.fillRect(width * onScale(level.peak()) - 2, 0, 2, height);
  context.fillStyle = colours.text;
  if (level.shortTerm > LOWEST)
    context.fillRect(width * onScale(level.shortTerm) - 1.5, 0, 3, height);
}
