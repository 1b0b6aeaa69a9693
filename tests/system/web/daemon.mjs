// @ts-check
// Daemon under test, with a state folder and a port of its own.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const bin = process.env.GENRED_BIN ?? '';
export const audioFolder = process.env.GENRED_AUDIO ?? '';

/** Address of a port that nothing listens on. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/**
 * Part of a song as a FLAC file.
 * @param {string} song  Name in the folder of test music.
 * @param {number} from
 * @param {number} seconds
 * @param {string} target
 */
export function cut(song, from, seconds, target) {
  const input = join(audioFolder, `${song}.ogg`);
  const range = ['-ss', `${from}`, '-t', `${seconds}`, '-i', input];
  ffmpeg([...range, '-ac', '2', '-ar', '44100', target]);
}

/** @param {string[]} parts @param {string} target */
export function join_audio(parts, target) {
  const inputs = parts.flatMap((part) => ['-i', part]);
  const filter = `concat=n=${parts.length}:v=0:a=1`;
  ffmpeg([...inputs, '-filter_complex', filter, target]);
}

/** @param {string[]} options */
function ffmpeg(options) {
  execFileSync('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...options]);
}

/**
 * @typedef {object} DaemonOptions
 * @property {{name: string, file: string, repeat?: boolean}[]} sources
 * @property {string} [web]  Further keys of `[web]`.
 */

export class Daemon {
  /** @param {DaemonOptions} options */
  constructor(options) {
    this.options = options;
    this.folder = mkdtempSync(join(tmpdir(), 'genred-web-'));
    this.port = 0;
    /** @type {import('node:child_process').ChildProcess|null} */
    this.process = null;
    this.log = '';
  }

  /** Address of the page. */
  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  configuration() {
    const { sources, web = '' } = this.options;
    const lines = [
      'node = "studio"',
      `state_dir = "${this.folder}/state"`,
      `runtime_dir = "${this.folder}/run"`,
      '[mqtt]',
      'enabled = false',
      '[log]',
      'enabled = true',
      '[web]',
      `bind = "127.0.0.1:${this.port}"`,
      web,
    ];
    for (const { name, file, repeat = false } of sources) {
      lines.push('[[source]]', `name = "${name}"`, `uri = "file:${file}"`, `repeat = ${repeat}`);
    }
    return lines.join('\n');
  }

  /** Starts the daemon on the same port as before, and waits until it answers. */
  async start() {
    this.port ||= await freePort();
    const config = join(this.folder, 'genred.toml');
    writeFileSync(config, this.configuration());
    const child = spawn(bin, ['run', '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr?.on('data', (text) => {
      this.log += text;
    });
    this.process = child;
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      if (child.exitCode != null) break;
      const response = await fetch(`${this.url}api/v1/daemon`).catch(() => null);
      // 401: a token is needed.
      if (response?.ok || response?.status === 401) return this;
      await pause(200);
    }
    throw new Error(`the daemon does not answer:\n${this.log}`);
  }

  /**
   * Published genre of a source.
   * @param {string} name
   */
  async genreOf(name) {
    const response = await fetch(`${this.url}api/v1/sources/${name}`);
    const { state } = await response.json();
    return state?.genre;
  }

  /** @param {NodeJS.Signals} [signal] */
  async stop(signal = 'SIGTERM') {
    const child = this.process;
    this.process = null;
    if (!child || child.exitCode != null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async clear() {
    await this.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
