// @ts-check
// One animation loop for all canvases. It runs while the tab is visible and a canvas on screen has
// something to draw; a canvas outside the view holds no pixels.

/**
 * @typedef {object} Painter
 * @property {HTMLCanvasElement} canvas
 * @property {(context: CanvasRenderingContext2D, width: number, height: number, now: number,
 *             resized: boolean) => void} draw
 *   Draws in CSS pixels. `resized` is true if the canvas is blank.
 * @property {boolean} inView
 * @property {boolean} resized
 * @property {number} width
 * @property {number} height
 */

/** @type {Map<Element, Painter>} */
const painters = new Map();
/** @type {Set<Painter>} */
const active = new Set();
let scheduled = false;

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const painter = painters.get(target);
      if (!painter) continue;
      painter.inView = isIntersecting;
      if (isIntersecting) {
        active.add(painter);
        painter.width = boundingClientRect.width;
        painter.height = boundingClientRect.height;
        painter.resized = true;
      } else {
        active.delete(painter);
        painter.canvas.width = 0;
      }
    }
    schedule();
  },
  { rootMargin: '100px' },
);

const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const painter = painters.get(target);
    if (!painter || contentRect.width === 0) continue;
    if (painter.width === contentRect.width && painter.height === contentRect.height) continue;
    painter.width = contentRect.width;
    painter.height = contentRect.height;
    painter.resized = true;
  }
});

/** @param {number} now */
function frame(now) {
  scheduled = false;
  for (const painter of active) paint(painter, now);
  schedule();
}

/**
 * @param {Painter} painter
 * @param {number} now
 */
function paint(painter, now) {
  const { canvas, resized } = painter;
  const context = canvas.getContext('2d');
  if (!context) return;
  if (resized) {
    const scale = Math.min(devicePixelRatio || 1, 2);
    if (painter.width === 0 || painter.height === 0) return;
    canvas.width = Math.round(painter.width * scale);
    canvas.height = Math.round(painter.height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    painter.resized = false;
  }
  painter.draw(context, painter.width, painter.height, now, resized);
}

function schedule() {
  if (scheduled || active.size === 0 || document.hidden) return;
  scheduled = true;
  requestAnimationFrame(frame);
}

document.addEventListener('visibilitychange', schedule);

/** Draws every canvas afresh, as after a change of the theme. */
export function redrawAll() {
  for (const painter of active) painter.resized = true;
}

/**
 * Adds a canvas to the loop; the result removes it.
 * @param {HTMLCanvasElement} canvas
 * @param {Painter['draw']} draw
 */
export function addPainter(canvas, draw) {
  const painter = { canvas, draw, inView: false, resized: true, width: 0, height: 0 };
  painters.set(canvas, painter);
  observer.observe(canvas);
  sizes.observe(canvas);
  return () => {
    painters.delete(canvas);
    active.delete(painter);
    observer.unobserve(canvas);
    sizes.unobserve(canvas);
  };
}
