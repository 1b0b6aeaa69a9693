// @ts-check
// Live region for screen readers. Only decisions are announced.

const region = document.createElement('p');
region.className = 'vh';
region.setAttribute('aria-live', 'polite');
document.body.append(region);

/** @param {string} words */
export function announce(words) {
  region.textContent = words;
}
