// @ts-check

import { daemon } from '../store.js';
import { connection } from '../stream.js';
import { themeChoice } from '../theme.js';
import { html } from '../ui.js';

/** Next choice of the theme switch. @type {Record<string, string>} */
const NEXT_THEME = { auto: 'light', light: 'dark', dark: 'auto' };
const THEME_ICONS = {
  auto: html`<path d="M8 2a6 6 0 1 0 0 12Z" class="filled" /><circle cx="8" cy="8" r="6" />`,
  light: html`<circle cx="8" cy="8" r="3" /><path
      d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1"
    />`,
  dark: html`<path d="M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5Z" />`,
};

function ThemeSwitch() {
  const choice = /** @type {keyof typeof THEME_ICONS} */ (themeChoice.value);
  return html`<button
    type="button"
    class="quiet"
    aria-label=${`Theme: ${choice}`}
    title=${`Theme: ${choice}`}
    onClick=${() => {
      themeChoice.value = NEXT_THEME[choice] ?? 'auto';
    }}
  >
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${THEME_ICONS[choice]}</svg>
  </button>`;
}

const CONNECTION_WORDS = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
};

/** State of the event stream, on the pages that have one. */
function ConnectionState() {
  const state = connection.value;
  return html`<span class="connection" data-state=${state} role="status">
    <span class="dot" aria-hidden="true"></span>${CONNECTION_WORDS[state]}
  </span>`;
}

/** @param {{page: string}} props */
export function Header({ page }) {
  const live = page === 'wall' || page === 'source';
  /** @param {string} of */
  const current = (of) => (page === of ? 'page' : undefined);
  return html`<header class="top">
    <a class="brand" href="./" aria-label="genred">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect x="4" y="13" width="4" height="10" rx="2" />
        <rect x="11" y="7" width="4" height="18" rx="2" />
        <rect x="18" y="11" width="4" height="11" rx="2" />
        <rect x="25" y="4" width="4" height="23" rx="2" />
      </svg>
      <span>genred</span>
    </a>
    <nav aria-label="Pages">
      <a href="./" aria-current=${current('wall')}>Sources</a>
      <a href="try" aria-current=${current('try')}>Try it</a>
    </nav>
    <span class="node" title="Name of this daemon">${daemon.value?.node ?? ''}</span>
    ${live && html`<${ConnectionState} />`}
    <${ThemeSwitch} />
  </header>`;
}
