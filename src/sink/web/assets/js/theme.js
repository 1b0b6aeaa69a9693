// @ts-check
// Light and dark theme: that of the system, unless the switch says otherwise.
import { computed, effect, signal } from './ui.js';

const KEY = 'genred-theme';
const query = matchMedia('(prefers-color-scheme: light)');
const system = signal(query.matches ? 'light' : 'dark');
query.addEventListener('change', () => {
  system.value = query.matches ? 'light' : 'dark';
});

/** Chosen theme: `auto`, `light` or `dark`. */
export const themeChoice = signal(localStorage.getItem(KEY) ?? 'auto');

/** Present theme: `light` or `dark`. */
export const theme = computed(() =>
  themeChoice.value === 'auto' ? system.value : themeChoice.value,
);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem(KEY, themeChoice.value);
});

const motion = matchMedia('(prefers-reduced-motion: reduce)');

/** True if the reader prefers reduced motion. */
export const reducedMotion = signal(motion.matches);
motion.addEventListener('change', () => {
  reducedMotion.value = motion.matches;
});

/**
 * Colours of canvases, from the custom properties of the stylesheet.
 * @type {Record<string, string>}
 */
let palette = {};
const NAMES = ['text', 'muted', 'line', 'card', 'sunken', 'accent', 'bad', 'warn', 'meter'];

effect(() => {
  theme.value;
  const style = getComputedStyle(document.documentElement);
  palette = Object.fromEntries(
    NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
});

/** Colours of canvases in the present theme. */
export function canvasColours() {
  return palette;
}
