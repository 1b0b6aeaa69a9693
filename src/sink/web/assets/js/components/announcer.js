// @ts-check
// Live region: tells screen readers about decisions, and about nothing else.

const region = document.createElement('p');
region.className = 'vh';
region.setAttribute('aria-live', 'polite');
document.body.append(region);

/** @param {string} words */
export function announce(words) {
  region.textContent = words;
}
