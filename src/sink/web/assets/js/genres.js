// @ts-check
// Names and colours of genres and states. A label has the same colour on every page.
//
// The colours of the known labels are chosen in OKLCH so that the smallest distance of any two is
// as large as possible, also with protanopia, deuteranopia and tritanopia (Machado 2009). Each
// label has the same hue in both themes, and a contrast of at least 3:1 to the cards. No page
// relies on colour alone: the word stands next to it.
import { theme } from './theme.js';

/** Colours in the dark and in the light theme. @type {Record<string, [string, string]>} */
const COLOURS = {
  ambient: ['#29e2fe', '#1598ac'],
  blues: ['#4ba1ed', '#1676bf'],
  classical: ['#e1cc54', '#9c8800'],
  country: ['#f89125', '#b36405'],
  'disco-funk': ['#b961bf', '#97409d'],
  electronic: ['#6fc1f6', '#3288b9'],
  folk: ['#648e48', '#4a732d'],
  'hip-hop': ['#7a6bd6', '#5a48b4'],
  jazz: ['#6a7eeb', '#4d5dc7'],
  metal: ['#9f4a8d', '#8c387b'],
  pop: ['#bf93c0', '#8f6690'],
  punk: ['#e6a3a1', '#aa6c6a'],
  reggae: ['#85b46e', '#588541'],
  'rnb-soul': ['#d66218', '#aa4800'],
  rock: ['#ba4110', '#a23200'],
  // States.
  speech: ['#d3d9e2', '#5b6675'],
  noise: ['#8d7f74', '#7d6d60'],
  uncertain: ['#8b95a3', '#99a1ad'],
  silence: ['#4a525e', '#b4bac3'],
  lost: ['#2b3139', '#d5d9df'],
  // Parts of a report.
  outage: ['#8f2f35', '#c4515a'],
  down: ['#5f3a3d', '#dba5a9'],
  unheard: ['#2b3139', '#d5d9df'],
};

/** Other spellings of labels in the table. @type {Record<string, string>} */
const ALIASES = {
  disco: 'disco-funk',
  funk: 'disco-funk',
  hiphop: 'hip-hop',
  rap: 'hip-hop',
  electronica: 'electronic',
  rnb: 'rnb-soul',
  soul: 'rnb-soul',
  stalled: 'lost',
  offline: 'lost',
};

const STATES = new Set(['speech', 'noise', 'uncertain', 'silence', 'lost']);

/** @param {string} label */
export function isState(label) {
  return STATES.has(label);
}

/**
 * Colour for a label that is not in the table: the same for the same name.
 * @param {string} label
 * @param {boolean} dark
 */
function fallback(label, dark) {
  let sum = 7;
  for (const letter of label) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
  const hue = (sum * 47) % 360;
  return `hsl(${hue} ${30 + (sum % 3) * 12}% ${dark ? 62 : 36}%)`;
}

/**
 * Colour of a label or state in the present theme.
 * @param {string} label
 */
export function genreColour(label) {
  const dark = theme.value === 'dark';
  const key = label.toLowerCase();
  const pair = COLOURS[key] ?? COLOURS[ALIASES[key] ?? ''];
  return pair ? pair[dark ? 0 : 1] : fallback(key, dark);
}

/** Explanations of states in plain words. @type {Record<string, string>} */
const WORDS = {
  speech: 'Someone talks, perhaps over music.',
  noise: 'Neither music nor speech: a tone, a loop, applause or other sounds.',
  uncertain: 'Music, but no genre leads clearly. Mixed styles, or too little heard so far.',
  silence: 'Too quiet to tell anything.',
  lost: 'No audio arrives from this source.',
};

/**
 * Explanation of a state in plain words; `null` for a genre.
 * @param {string} label
 */
export function stateWords(label) {
  return WORDS[label] ?? null;
}
