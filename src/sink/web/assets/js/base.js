// @ts-check
// Addresses relative to the base path, which the server writes into `<base href>`.

const base = new URL(document.baseURI);

/**
 * Absolute address of a path below the base path.
 * @param {string} path
 */
export function address(path) {
  return new URL(path, base).href;
}

/** Path of the present page below the base path, without a leading slash. */
export function pagePath() {
  return location.pathname.slice(base.pathname.length);
}

/**
 * True if the address is a page of this daemon.
 * @param {URL} url
 */
export function isPage(url) {
  if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname)) return false;
  const path = url.pathname.slice(base.pathname.length);
  return path === '' || path === 'try' || path.startsWith('s/');
}

/**
 * Path of a source's page.
 * @param {string} name
 * @param {string} [below]
 */
export function sourcePath(name, below = '') {
  return `s/${encodeURIComponent(name)}${below}`;
}
