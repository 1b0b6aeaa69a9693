// @ts-check
// Try it: a file, a stream or the microphone. Nothing is stored.
import { getJson, logins } from '../api.js';
import { announce } from '../components/announcer.js';
import { Canvas } from '../components/canvas.js';
import { position } from '../format.js';
import { droppedFile } from '../router.js';
import { daemon } from '../store.js';
import { classifyFile, classifyUrl } from '../try/classify.js';
import { listen } from '../try/microphone.js';
import { BigVerdict, meanScores, ResultTimeline, WindowTable } from '../try/result.js';
import { fileSpectrogram, microphonePainter } from '../try/spectrum.js';
import { html, useEffect, useMemo, useRef, useState } from '../ui.js';

/** @import { Window } from '../types.js' */

const PICTURE_COLUMNS = 1400;
const STREAM_SECONDS = [10, 30, 60];

/**
 * @typedef {object} Job
 * @property {'file'|'stream'|'microphone'} kind
 * @property {string} name
 * @property {Window[]} windows
 * @property {number} decoded
 * @property {number|null} duration
 * @property {any} verdict  Answer of the daemon, as `genred classify --json` prints it.
 * @property {string} error
 * @property {boolean} running
 */

/** @param {Job['kind']} kind @param {string} name @returns {Job} */
function newJob(kind, name) {
  return {
    kind,
    name,
    windows: [],
    decoded: 0,
    duration: null,
    verdict: null,
    error: '',
    running: true,
  };
}

/** State of the present classification and what starts one. */
function useJob() {
  const [job, setJob] = useState(/** @type {Job|null} */ (null));
  const [picture, setPicture] = useState(/** @type {HTMLCanvasElement|null} */ (null));
  const [audio, setAudio] = useState('');
  const [analyser, setAnalyser] = useState(/** @type {AnalyserNode|null} */ (null));
  const end = useRef(() => {});

  /** @param {Partial<Job>} change */
  const change = (change) => setJob((before) => before && { ...before, ...change });
  const listener = () => ({
    onProgress: (/** @type {number} */ decoded, /** @type {number|null} */ duration) =>
      change({ decoded, duration }),
    onWindow: (/** @type {Window} */ window) =>
      setJob((before) => before && { ...before, windows: [...before.windows, window] }),
  });

  /** @param {Job} job @param {() => void} stop */
  function begin(job, stop) {
    end.current();
    end.current = stop;
    setPicture(null);
    setAnalyser(null);
    setAudio((before) => {
      if (before) URL.revokeObjectURL(before);
      return '';
    });
    setJob(job);
  }

  /** @param {Promise<any>} answer @param {AbortController} control */
  async function finish(answer, control) {
    try {
      const verdict = await answer;
      announce(`${verdict.file ?? 'The stream'}: ${verdict.genre}`);
      change({ verdict, running: false, duration: verdict.duration_s });
    } catch (error) {
      if (!control.signal.aborted)
        change({ error: /** @type {Error} */ (error).message, running: false });
    }
  }

  /** @param {File} file */
  function openFile(file) {
    const control = new AbortController();
    begin(newJob('file', file.name), () => control.abort());
    setAudio(URL.createObjectURL(file));
    finish(classifyFile(file, file.name, { ...listener(), abort: control.signal }), control);
    fileSpectrogram(file, PICTURE_COLUMNS).then((made) => {
      if (made && !control.signal.aborted) setPicture(made.canvas);
    });
  }

  /** @param {string} url @param {number} seconds */
  function openUrl(url, seconds) {
    const control = new AbortController();
    begin(newJob('stream', url), () => control.abort());
    finish(classifyUrl(url, seconds, { ...listener(), abort: control.signal }), control);
  }

  async function openMicrophone() {
    begin(newJob('microphone', 'microphone'), () => {});
    try {
      const { analyser: opened, stop } = await listen({
        onProgress: (decoded) => change({ decoded }),
        onWindow: listener().onWindow,
        onError: (error) => change({ error: error.message }),
      });
      end.current = stop;
      setAnalyser(opened);
    } catch (error) {
      change({ error: microphoneError(/** @type {Error} */ (error)), running: false });
    }
  }

  function stop() {
    end.current();
    end.current = () => {};
    setAnalyser(null);
    change({ running: false });
  }

  useEffect(() => () => end.current(), []);
  return { job, picture, audio, analyser, openFile, openUrl, openMicrophone, stop };
}

/** @param {Error} error */
function microphoneError(error) {
  if (error.name === 'NotAllowedError') return 'The browser was not allowed to use the microphone.';
  if (error.name === 'NotFoundError') return 'There is no microphone.';
  return error.message;
}

/** @param {{onFile: (file: File) => void, max: number|null}} props */
function FileInput({ onFile, max }) {
  const [over, setOver] = useState(false);
  return html`<label
    class="drop"
    data-over=${over}
    onDragEnter=${() => setOver(true)}
    onDragLeave=${() => setOver(false)}
    onDrop=${() => setOver(false)}
  >
    <strong>Drop a song here</strong>
    <span class="muted">or choose a file${max ? `, up to ${max} MB` : ''}</span>
    <input
      type="file"
      accept="audio/*,video/*,.flac,.opus,.ogg,.mka,.wv,.aiff"
      onChange=${(/** @type {any} */ event) => event.currentTarget.files[0] && onFile(event.currentTarget.files[0])}
    />
  </label>`;
}

/** @param {{onUrl: (url: string, seconds: number) => void}} props */
function UrlInput({ onUrl }) {
  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    onUrl(String(fields.get('url')).trim(), Number(fields.get('seconds')));
  }
  return html`<form class="url-form" onSubmit=${submit}>
    <label>Address of a stream <input name="url" type="url" required pattern="https?://.+" placeholder="https://…" /></label>
    <label>Seconds <select name="seconds">${STREAM_SECONDS.map(
      (seconds) => html`<option value=${seconds} selected=${seconds === 30}>${seconds}</option>`,
    )}</select></label>
    <button type="submit">Listen</button>
  </form>`;
}

/**
 * Present verdict: of the whole where it is known, else of the newest three seconds.
 * @param {{job: Job}} props
 */
function Present({ job }) {
  const newest = job.windows.at(-1);
  if (job.verdict)
    return html`<${BigVerdict} verdict=${job.verdict} title=${`The whole of ${job.name}`} />`;
  if (!newest) return html`<p class="muted">Waiting for three seconds of sound …</p>`;
  return html`<${BigVerdict} verdict=${newest} title="Newest three seconds" />`;
}

/** @param {Job} job */
function download(job) {
  const content = job.verdict ?? {
    file: job.name,
    windows: job.windows,
    scores: meanScores(job.windows),
  };
  const link = document.createElement('a');
  link.href = URL.createObjectURL(
    new Blob([`${JSON.stringify(content)}\n`], { type: 'application/json' }),
  );
  link.download = `${job.name.replace(/[^\w.-]+/g, '_').slice(0, 60)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * @param {{job: Job, picture: HTMLCanvasElement|null, audio: string, analyser: AnalyserNode|null,
 *          onStop: () => void}} props
 */
function Result({ job, picture, audio, analyser, onStop }) {
  const [player, setPlayer] = useState(/** @type {HTMLAudioElement|null} */ (null));
  const section = useRef(/** @type {HTMLElement|null} */ (null));
  // On a phone the result is below the forms.
  useEffect(() => section.current?.scrollIntoView({ block: 'nearest' }), [job.kind, job.name]);
  const drawMicrophone = useMemo(() => analyser && microphonePainter(analyser), [analyser]);
  const duration = job.verdict?.duration_s ?? job.duration ?? Math.max(job.decoded, 3);
  const known = job.duration ?? 0;
  return html`<section ref=${section} class="panel result" aria-labelledby="result-title">
    <div class="panel-head">
      <h2 id="result-title">${job.name}</h2>
      ${job.running && html`<span class="muted" role="status">${position(job.decoded)}${known > 0 ? ` of ${position(known)}` : ''}</span>`}
      ${job.running && html`<button type="button" onClick=${onStop}>Stop</button>`}
      <button type="button" disabled=${job.windows.length === 0} onClick=${() => download(job)}>JSON</button>
    </div>
    ${job.running && known > 0 && html`<progress value=${job.decoded} max=${known} aria-label="Decoded"></progress>`}
    ${job.error && html`<p class="error" role="alert">${job.error}</p>`}
    ${
      (job.windows.length > 0 || !job.error) &&
      html`<div class="result-body">
      <div class="present"><${Present} job=${job} /></div>
      ${job.windows.length > 0 && html`<${WindowTable} windows=${job.windows} />`}
    </div>`
    }
    ${drawMicrophone && html`<div class="microphone-spectrum"><${Canvas} draw=${drawMicrophone} class="fill" label="Spectrogram of the microphone" /></div>`}
    ${
      job.windows.length > 0 &&
      html`<${ResultTimeline}
      windows=${job.windows}
      duration=${duration}
      picture=${picture}
      player=${player}
      onSeek=${(/** @type {number} */ seconds) => {
        if (player) player.currentTime = seconds;
      }}
    />`
    }
    ${audio && html`<audio controls src=${audio} ref=${setPlayer}></audio>`}
  </section>`;
}

export function Page() {
  const { job, picture, audio, analyser, openFile, openUrl, openMicrophone, stop } = useJob();
  const login = logins.value;
  useEffect(() => {
    document.title = 'Try it – genred';
    getJson('daemon')
      .then((about) => {
        daemon.value = about;
      })
      .catch(() => null);
  }, [login]);
  const file = droppedFile.value;
  useEffect(() => {
    if (!file) return;
    droppedFile.value = null;
    openFile(file);
  }, [file]);
  const limits = daemon.value?.classify;
  if (limits === null) {
    return html`<section class="notice"><h1>Try it</h1><p>This daemon does not classify files.</p></section>`;
  }
  return html`<div class="page-head">
      <h1>Try it</h1>
      <p class="muted">Nothing is stored.</p>
    </div>
    <div class="inputs">
      <${FileInput} onFile=${openFile} max=${limits?.max_mb ?? null} />
      <section class="panel"><h2>A stream</h2>
        ${limits?.urls === 'off' ? html`<p class="muted">Switched off in the configuration.</p>` : html`<${UrlInput} onUrl=${openUrl} />`}
      </section>
      <section class="panel"><h2>The microphone</h2>
        <p class="muted">A verdict every three seconds.</p>
        <button type="button" onClick=${openMicrophone} disabled=${job?.kind === 'microphone' && job.running}>Listen</button>
      </section>
    </div>
    ${job && html`<${Result} job=${job} picture=${picture} audio=${audio} analyser=${analyser} onStop=${stop} />`}`;
}
