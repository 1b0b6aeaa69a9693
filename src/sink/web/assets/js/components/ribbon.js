// @ts-check
// Genre ribbon: coloured stretches of time. States have patterns, so that they differ from genres
// without colour.

import { genreColour } from '../genres.js';
import { canvasColours } from '../theme.js';

/**
 * Draws segments between two times over the whole width.
 * @param {CanvasRenderingContext2D} context
 * @param {readonly (readonly [number, number, string])[]} segments
 * @param {{from: number, to: number, x?: number, y?: number, width: number, height: number}} area
 */
export function drawRibbon(context, segments, { from, to, x = 0, y = 0, width, height }) {
  const scale = width / (to - from);
  for (const [start, end, label] of segments) {
    if (end <= from || start >= to) continue;
    const left = x + Math.max(0, (start - from) * scale);
    const right = x + Math.min(width, (end - from) * scale);
    const gap = right - left > 3 ? 1 : 0;
    context.fillStyle = genreColour(label);
    const thin = label === 'silence' || label === 'lost';
    const inset = thin ? height * 0.38 : 0;
    context.fillRect(left, y + inset, Math.max(right - left - gap, 0.75), height - 2 * inset);
    if (label === 'uncertain' || label === 'noise') {
      hatch(context, left, y, right - left - gap, height, label === 'noise');
    }
  }
}

/**
 * Diagonal lines in the colour of the card; `crossed` draws both directions.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {boolean} crossed
 */
function hatch(context, x, y, width, height, crossed) {
  if (width < 3) return;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  for (let at = x - height; at < x + width; at += 5) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
    if (crossed) {
      context.moveTo(at, y);
      context.lineTo(at + height, y + height);
    }
  }
  context.strokeStyle = canvasColours().sunken;
  context.lineWidth = 1.25;
  context.stroke();
  context.restore();
}
