// @ts-check
// Spectrograms of the try-it page: of a file, decoded in the browser, and of the microphone.
import { colourTable } from '../source/colormap.js';

const RATE = 16_000;
const SIZE = 1024;
const BANDS = 96;
/** Larger files are not decoded for a picture. */
const MAX_BYTES = 20 << 20;
const RANGE_DB = 70;

/** Band edges as FFT bins, spaced as on the mel scale. */
function bandEdges() {
  const mel = (/** @type {number} */ hz) => 2595 * Math.log10(1 + hz / 700);
  const hz = (/** @type {number} */ value) => 700 * (10 ** (value / 2595) - 1);
  return Array.from(
    { length: BANDS + 1 },
    (_, band) => (hz((mel(RATE / 2) * band) / BANDS) / RATE) * SIZE,
  );
}

/**
 * Power spectrum of real samples with a radix-2 FFT, in place.
 * @param {Float64Array} re
 * @param {Float64Array} im
 */
function fft(re, im) {
  for (let at = 1, reversed = 0; at < SIZE; at += 1) {
    let bit = SIZE >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (at < reversed) [re[at], re[reversed]] = [re[reversed], re[at]];
  }
  for (let length = 2; length <= SIZE; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let offset = 0; offset < length / 2; offset += 1) {
      const cos = Math.cos(angle * offset);
      const sin = Math.sin(angle * offset);
      for (let at = offset; at < SIZE; at += length) {
        const other = at + length / 2;
        const x = re[other] * cos - im[other] * sin;
        const y = re[other] * sin + im[other] * cos;
        re[other] = re[at] - x;
        im[other] = im[at] - y;
        re[at] += x;
        im[at] += y;
      }
    }
  }
}

/**
 * Spectrogram of a file, as an image of `columns` × 96; `null` if the browser cannot decode it.
 * @param {File} file
 * @param {number} columns
 */
export async function fileSpectrogram(file, columns) {
  if (file.size > MAX_BYTES) return null;
  const context = new OfflineAudioContext(1, 1, RATE);
  const audio = await context.decodeAudioData(await file.arrayBuffer()).catch(() => null);
  if (!audio) return null;
  const samples = audio.getChannelData(0);
  const edges = bandEdges();
  const table = colourTable(localStorage.getItem('genred-colours') ?? 'inferno');
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = BANDS;
  const drawing = canvas.getContext('2d');
  if (!drawing) return null;
  const image = drawing.createImageData(columns, BANDS);
  const pixels = new Uint32Array(image.data.buffer);
  const re = new Float64Array(SIZE);
  const im = new Float64Array(SIZE);
  for (let column = 0; column < columns; column += 1) {
    const start = Math.floor((column / columns) * Math.max(0, samples.length - SIZE));
    im.fill(0);
    for (let at = 0; at < SIZE; at += 1) {
      const taper = 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / SIZE);
      re[at] = (samples[start + at] ?? 0) * taper;
    }
    fft(re, im);
    for (let band = 0; band < BANDS; band += 1) {
      const first = Math.floor(edges[band]);
      const last = Math.max(first + 1, Math.ceil(edges[band + 1]));
      let power = 0;
      for (let bin = first; bin < last; bin += 1) power += re[bin] ** 2 + im[bin] ** 2;
      const db = 10 * Math.log10(power / (last - first) / SIZE + 1e-12);
      const value = Math.max(0, Math.min(255, ((db + RANGE_DB - 10) / RANGE_DB) * 255));
      pixels[(BANDS - 1 - band) * columns + column] = table[Math.round(value)];
    }
  }
  drawing.putImageData(image, 0, 0);
  return { canvas, duration: audio.duration };
}

/**
 * Drawing function of the microphone's spectrogram, which moves to the left.
 * @param {AnalyserNode} analyser
 * @returns {import('../frames.js').Painter['draw']}
 */
export function microphonePainter(analyser) {
  const bins = new Uint8Array(analyser.frequencyBinCount);
  const table = colourTable(localStorage.getItem('genred-colours') ?? 'inferno');
  const edges = bandEdges().map(
    (bin) => (bin * RATE * analyser.fftSize) / SIZE / analyser.context.sampleRate,
  );
  const column = document.createElement('canvas');
  column.width = 1;
  column.height = BANDS;
  return (context, width, height, _now, resized) => {
    const { canvas } = context;
    if (resized) {
      context.fillStyle = '#000';
      context.fillRect(0, 0, width, height);
    }
    analyser.getByteFrequencyData(bins);
    const drawing = /** @type {CanvasRenderingContext2D} */ (column.getContext('2d'));
    const image = drawing.createImageData(1, BANDS);
    const pixels = new Uint32Array(image.data.buffer);
    for (let band = 0; band < BANDS; band += 1) {
      pixels[BANDS - 1 - band] = table[bins[Math.floor(edges[band])] ?? 0];
    }
    drawing.putImageData(image, 0, 0);
    context.drawImage(
      canvas,
      2,
      0,
      canvas.width - 2,
      canvas.height,
      0,
      0,
      ((canvas.width - 2) / canvas.width) * width,
      height,
    );
    context.drawImage(column, 0, 0, 1, BANDS, width - 2, 0, 2, height);
  };
}
