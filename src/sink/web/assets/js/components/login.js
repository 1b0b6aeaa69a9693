// @ts-check
import { ApiError, logIn, loginNeeded } from '../api.js';
import { html, useEffect, useRef, useState } from '../ui.js';

/** Login dialog. */
export function Login() {
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const [message, setMessage] = useState('');
  const needed = loginNeeded.value;
  useEffect(() => {
    if (needed) dialog.current?.showModal();
    else dialog.current?.close();
  }, [needed]);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    try {
      await logIn(String(new FormData(form).get('token')));
      form.reset();
      setMessage('');
    } catch (error) {
      setMessage(error instanceof ApiError ? error.message : 'The daemon does not answer.');
    }
  }

  return html`<dialog ref=${dialog} class="login" aria-labelledby="login-title">
    <form onSubmit=${submit}>
      <h2 id="login-title">Token needed</h2>
      <p>The API of this daemon needs the token of its configuration (<code>web.token_file</code>).</p>
      <label>Token <input name="token" type="password" required autocomplete="current-password" /></label>
      ${message && html`<p class="error" role="alert">${message}</p>`}
      <button type="submit" class="primary">Log in</button>
    </form>
  </dialog>`;
}
