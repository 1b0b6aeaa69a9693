// @ts-check
// Microphone: the last three seconds go to `POST /classify` every three seconds.
import { address } from '../base.js';
import { classifyFile } from './classify.js';

/** @import { Window } from '../types.js' */

const INTERVAL_S = 3;
/** Slightly more than a patch, so that each part has one. */
const PART_S = 3.2;

/**
 * Samples as a WAV file, 16 bits.
 * @param {Float32Array} samples
 * @param {number} rate
 */
export function wavOf(samples, rate) {
  const bytes = new DataView(new ArrayBuffer(44 + samples.length * 2));
  /** @param {number} at @param {string} text */
  const ascii = (at, text) => {
    for (let letter = 0; letter < text.length; letter += 1)
      bytes.setUint8(at + letter, text.charCodeAt(letter));
  };
  ascii(0, 'RIFF');
  bytes.setUint32(4, 36 + samples.length * 2, true);
  ascii(8, 'WAVEfmt ');
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, rate * 2, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  ascii(36, 'data');
  bytes.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, at) => {
    bytes.setInt16(44 + at * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true);
  });
  return new Blob([bytes], { type: 'audio/wav' });
}

/** The newest samples, in a ring. */
class SampleRing {
  /** @param {number} length */
  constructor(length) {
    this.samples = new Float32Array(length);
    this.next = 0;
    this.total = 0;
  }

  /** @param {Float32Array} block */
  add(block) {
    for (const sample of block) {
      this.samples[this.next] = sample;
      this.next = (this.next + 1) % this.samples.length;
    }
    this.total += block.length;
  }

  newest() {
    const ordered = new Float32Array(this.samples.length);
    ordered.set(this.samples.subarray(this.next));
    ordered.set(this.samples.subarray(0, this.next), this.samples.length - this.next);
    return ordered;
  }
}

/**
 * Opens the microphone and classifies until `stop` is called.
 * @param {object} options
 * @param {(window: Window) => void} options.onWindow
 * @param {(seconds: number) => void} options.onProgress
 * @param {(error: Error) => void} options.onError
 */
export async function listen({ onWindow, onProgress, onError }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      'The browser gives the microphone only to pages over HTTPS or from this machine.',
    );
  }
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  await context.audioWorklet.addModule(address('assets/js/try/capture.js'));
  const source = context.createMediaStreamSource(stream);
  const capture = new AudioWorkletNode(context, 'capture', { numberOfOutputs: 0 });
  const analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0 });
  source.connect(capture);
  source.connect(analyser);
  const ring = new SampleRing(Math.round(PART_S * context.sampleRate));
  let due = PART_S;
  let busy = false;
  let stopped = false;

  async function classify() {
    const end = ring.total / context.sampleRate;
    const start = Math.max(0, end - PART_S);
    busy = true;
    try {
      await classifyFile(wavOf(ring.newest(), context.sampleRate), 'microphone', {
        hop: 3,
        onWindow: (window) => {
          if (!stopped)
            onWindow({ ...window, start: start + window.start, end: start + window.end });
        },
      });
    } catch (error) {
      if (!stopped) onError(/** @type {Error} */ (error));
    } finally {
      busy = false;
    }
  }

  capture.port.onmessage = ({ data }) => {
    ring.add(data);
    const seconds = ring.total / context.sampleRate;
    onProgress(seconds);
    if (seconds < due || busy) return;
    due = Math.max(due + INTERVAL_S, seconds);
    classify();
  };

  return {
    analyser,
    stop() {
      stopped = true;
      for (const track of stream.getTracks()) track.stop();
      context.close();
    },
  };
}
