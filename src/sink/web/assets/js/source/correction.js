// @ts-check
// Correction: "this was …". The daemon stores the sound of the last seconds for training.
import { ApiError, sendJson, sourceRoute } from '../api.js';
import { clock } from '../format.js';
import { html, useState } from '../ui.js';

/**
 * @param {{name: string, labels: string[], allowed: boolean}} props
 */
export function Correction({ name, labels, allowed }) {
  const [message, setMessage] = useState(/** @type {{text: string, bad: boolean}|null} */ (null));
  const [busy, setBusy] = useState(false);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const genre = String(fields.get('genre')).trim();
    setBusy(true);
    try {
      const stored = await sendJson('POST', sourceRoute(name, '/label'), {
        genre,
        last_s: Number(fields.get('last_s')),
      });
      const hint =
        stored.known || !stored.nearest
          ? ''
          : ` The head has no ${genre}; did you mean ${stored.nearest}?`;
      setMessage({
        text: `Stored as correction ${stored.id}: ${clock(stored.start)} to ${clock(stored.end)} was ${stored.genre}.${hint}`,
        bad: false,
      });
    } catch (error) {
      setMessage({
        text: error instanceof ApiError ? error.message : 'The daemon does not answer.',
        bad: true,
      });
    } finally {
      setBusy(false);
    }
  }

  return html`<section class="panel" aria-labelledby="correct-title">
    <h2 id="correct-title">This was …</h2>
    <p class="muted">A correction keeps the features of the last seconds, so that a head can be trained with them.</p>
    <form class="inline-form" onSubmit=${submit}>
      <label>Genre <input name="genre" list="labels" required maxlength="64" autocomplete="off" /></label>
      <datalist id="labels">${labels.map((label) => html`<option value=${label}></option>`)}</datalist>
      <label>Last <select name="last_s"><option value="10">10 s</option><option value="30" selected>30 s</option><option value="60">60 s</option></select></label>
      <button type="submit" class="primary" disabled=${busy || !allowed}>Correct</button>
    </form>
    ${!allowed && html`<p class="muted">Changes over this page are switched off in the configuration.</p>`}
    ${message && html`<p class=${message.bad ? 'error' : 'done'} role="status">${message.text}</p>`}
  </section>`;
}
