// @ts-check
// Entry: the frame around the pages, and the module of the present page. Only the wall is part of
// the first load.

import { Header } from './components/header.js';
import { Login } from './components/login.js';
import { redrawAll } from './frames.js';
import { Wall } from './pages/wall.js';
import { droppedFile, navigate, route } from './router.js';
import { theme } from './theme.js';
import { effect, html, render, useEffect, useRef, useState } from './ui.js';

/** Modules and stylesheets of pages. */
const PAGES = {
  source: { load: () => import('./pages/source.js'), styles: ['assets/css/source.css'] },
  history: {
    load: () => import('./pages/history.js'),
    styles: ['assets/vendor/uplot.css', 'assets/css/source.css', 'assets/css/history.css'],
  },
  try: {
    load: () => import('./pages/try.js'),
    styles: ['assets/css/source.css', 'assets/css/try.css'],
  },
};

/**
 * Adds a stylesheet unless it is there; resolves when it is loaded.
 * @param {string} href
 */
function loadStyle(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href });
  return new Promise((resolve) => {
    link.onload = link.onerror = () => resolve(undefined);
    document.head.append(link);
  });
}

/** @param {{page: keyof typeof PAGES, name: string, search: string}} props */
function LazyPage({ page, name, search }) {
  const [loaded, setLoaded] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const { load, styles } = PAGES[page];
    let wanted = true;
    Promise.all([load(), ...styles.map(loadStyle)]).then(([module]) => {
      if (wanted) setLoaded({ page, Page: module.Page });
    });
    return () => {
      wanted = false;
    };
  }, [page]);
  if (loaded?.page !== page) return html`<p class="loading">Loading …</p>`;
  return html`<${loaded.Page} key=${name + search} name=${name} />`;
}

function Missing() {
  return html`<section class="notice">
    <h1 tabindex="-1">No such page</h1>
    <p>This address belongs to no page. <a href="./">All sources</a></p>
  </section>`;
}

function App() {
  const { page, name, search } = route.value;
  const main = useRef(/** @type {HTMLElement|null} */ (null));
  const first = useRef(true);
  // A new page moves the focus, so that keyboard and screen reader start at its top.
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [page, name]);
  let content = html`<${Missing} />`;
  if (page === 'wall') content = html`<${Wall} />`;
  else if (page in PAGES)
    content = html`<${LazyPage} page=${page} name=${name} search=${search} />`;
  return html`
    <a class="skip" href="#main">Skip to content</a>
    <${Header} page=${page} />
    <main id="main" tabindex="-1" ref=${main} class=${`page-${page}`}>${content}</main>
    <${Login} />
  `;
}

// A file that is dropped anywhere is classified.
addEventListener('dragover', (event) => {
  if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
});
addEventListener('drop', (event) => {
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  event.preventDefault();
  droppedFile.value = file;
  if (route.value.page !== 'try') navigate('try');
});

effect(() => {
  theme.value;
  redrawAll();
});

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
root.replaceChildren();
render(html`<${App} />`, root);
