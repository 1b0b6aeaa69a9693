// @ts-check
import { addPainter } from '../frames.js';
import { html, useEffect, useRef } from '../ui.js';

/** @import { Painter } from '../frames.js' */

/**
 * Canvas of the animation loop. `draw` must not depend on the props of later renders.
 * @param {{draw: Painter['draw'], class?: string, label?: string}} props
 */
export function Canvas({ draw, class: name, label }) {
  const canvas = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  const newest = useRef(draw);
  newest.current = draw;
  useEffect(() => {
    if (!canvas.current) return;
    return addPainter(canvas.current, (...values) => newest.current(...values));
  }, []);
  const named = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  return html`<canvas ref=${canvas} class=${name} ...${named}></canvas>`;
}
