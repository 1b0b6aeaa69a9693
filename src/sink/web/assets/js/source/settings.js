// @ts-check
// Settings of a source that can be changed while it runs. They last until the daemon exits.
import { ApiError, sendJson, sourceRoute } from '../api.js';
import { html, useEffect, useState } from '../ui.js';

/** @import { Settings } from '../types.js' */

/**
 * Fields: path in the message, label, unit, step, and explanation.
 * @type {[path: string, label: string, unit: string, step: string, help: string][]}
 */
const FIELDS = [
  ['hop', 'Hop', 's', '0.05', 'Interval between patches, 0.25 to 3 s.'],
  [
    'thresholds.decision.expected_piece_s',
    'Expected piece',
    's',
    'any',
    'Expected length of a piece.',
  ],
  [
    'thresholds.decision.switch_margin',
    'Switch margin',
    '',
    'any',
    'Lead, as a share, that replaces the published genre.',
  ],
  [
    'thresholds.decision.hold_s',
    'Hold',
    's',
    'any',
    'Longest time for which a genre is kept while another leads.',
  ],
  [
    'thresholds.silence.threshold_lufs',
    'Silence below',
    'LUFS',
    'any',
    'Short-term loudness below which the source is quiet.',
  ],
  ['thresholds.silence.after', 'Silence after', 's', 'any', 'Seconds of quiet that make silence.'],
];

/**
 * @param {any} object
 * @param {string} path
 */
function read(object, path) {
  return path.split('.').reduce((value, key) => value?.[key], object);
}

/**
 * Message with the fields that differ from the present settings.
 * @param {Settings} settings
 * @param {FormData} form
 */
function changesOf(settings, form) {
  /** @type {any} */
  const message = {};
  for (const [path] of FIELDS) {
    const value = Number(form.get(path));
    if (value === read(settings, path)) continue;
    const keys = path.split('.');
    const last = /** @type {string} */ (keys.pop());
    let target = message;
    for (const key of keys) {
      target[key] ??= {};
      target = target[key];
    }
    target[last] = value;
  }
  return message;
}

/**
 * @param {{name: string, settings: Settings, allowed: boolean}} props
 */
export function SettingsForm({ name, settings: initial, allowed }) {
  const [settings, setSettings] = useState(initial);
  const [message, setMessage] = useState(
    /** @type {{text: string, key: string|null}|null} */ (null),
  );
  useEffect(() => setSettings(initial), [JSON.stringify(initial)]);

  /** @param {object} change */
  async function send(change) {
    try {
      setSettings(await sendJson('PATCH', sourceRoute(name), change));
      setMessage({ text: 'Saved; lasts until the daemon exits.', key: null });
    } catch (error) {
      const text = error instanceof ApiError ? error.message : 'The daemon does not answer.';
      setMessage({ text, key: 'refused' });
    }
  }

  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    const change = changesOf(
      settings,
      new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)),
    );
    if (Object.keys(change).length === 0) setMessage({ text: 'Nothing has changed.', key: null });
    else send(change);
  }

  return html`<section class="panel" aria-labelledby="settings-title">
    <div class="panel-head">
      <h2 id="settings-title">Settings</h2>
      <button type="button" aria-pressed=${settings.paused} disabled=${!allowed} onClick=${() => send({ paused: !settings.paused })}>
        ${settings.paused ? 'Resume' : 'Pause'}
      </button>
    </div>
    <form class="settings" onSubmit=${submit}>
      ${FIELDS.map(
        ([path, label, unit, step, help]) => html`<label key=${path} title=${help}>
          <span>${label}${unit && html` <span class="muted">(${unit})</span>`}</span>
          <input name=${path} type="number" step=${step} required defaultValue=${read(settings, path)} disabled=${!allowed} />
        </label>`,
      )}
      <button type="submit" disabled=${!allowed}>Save</button>
    </form>
    ${message && html`<p class=${message.key ? 'error' : 'done'} role="status">${message.text}</p>`}
  </section>`;
}
