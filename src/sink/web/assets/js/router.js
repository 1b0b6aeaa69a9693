// @ts-check
// Pages by address. Links of the pages change the address without a reload.
import { address, isPage, pagePath } from './base.js';
import { signal } from './ui.js';

/**
 * @typedef {{page: 'wall'|'source'|'history'|'try'|'missing', name: string, search: string}} Route
 */

/** @returns {Route} */
function readRoute() {
  const path = pagePath().replace(/\/$/, '');
  const { search } = location;
  if (path === '') return { page: 'wall', name: '', search };
  if (path === 'try') return { page: 'try', name: '', search };
  const source = path.match(/^s\/([^/]+)(\/history)?$/);
  if (!source) return { page: 'missing', name: path, search };
  const page = source[2] ? 'history' : 'source';
  return { page, name: decodeURIComponent(source[1]), search };
}

/** Present page. */
export const route = signal(readRoute());

/** File that was dropped on another page, for the page that classifies it. */
export const droppedFile = signal(/** @type {File|null} */ (null));

/**
 * Opens a page of the daemon.
 * @param {string} path  Below the base path.
 */
export function navigate(path) {
  history.pushState(null, '', address(path));
  route.value = readRoute();
  scrollTo(0, 0);
}

addEventListener('popstate', () => {
  route.value = readRoute();
});

document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const target = /** @type {Element} */ (event.target);
  // A card is a link as a whole.
  const link = target.closest('a[href]') ?? target.closest('.card')?.querySelector('a[href]');
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
  const url = new URL(link.href);
  if (!isPage(url)) return;
  event.preventDefault();
  if (url.href === location.href) return;
  const samePage = url.pathname === location.pathname && url.search === location.search;
  history.pushState(null, '', url.href);
  if (samePage) {
    document.getElementById(url.hash.slice(1))?.scrollIntoView();
    return;
  }
  route.value = readRoute();
  scrollTo(0, 0);
});
