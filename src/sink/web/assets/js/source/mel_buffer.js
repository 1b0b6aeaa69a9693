// @ts-check
// Log-mel frames of the last minutes: a ring of columns in a canvas, by index of the frame.
import { colourTable } from './colormap.js';

/** @import { MelChunk } from '../types.js' */

/** Columns of the ring: 131 s at 16 ms per frame. */
const COLUMNS = 8192;

/** @param {string} text */
function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

export class MelBuffer {
  /** @param {string} colours  Name of a colour map. */
  constructor(colours) {
    this.bands = 0;
    this.frameMs = 16;
    /** Time of the sound after the newest frame, in ms; 0 before the first. */
    this.end = 0;
    /** Length of the newest chunk, in ms. */
    this.chunkMs = 0;
    /** `performance.now()` when it arrived. */
    this.arrivedAt = 0;
    this.version = 0;
    this.table = colourTable(colours);
    /** @type {Uint8Array} */
    this.values = new Uint8Array(0);
    this.ring = document.createElement('canvas');
    /** Column that is written next. */
    this.next = 0;
    /** Frame that is expected next. */
    this.frame = -1;
  }

  /** @param {MelChunk} chunk */
  add(chunk) {
    const bytes = bytesOf(chunk.columns);
    if (chunk.bands !== this.bands) this.resize(chunk.bands);
    const count = bytes.length / this.bands;
    this.frameMs = chunk.frame_ms;
    // Columns stand for time: a gap of the sound is a gap of the picture.
    const gap = this.end === 0 ? 0 : Math.round((chunk.t - this.end) / this.frameMs);
    if (gap > 2 && gap < COLUMNS) this.write(new Uint8Array(gap * this.bands), gap, true);
    else if (gap >= COLUMNS || gap < -62) this.resize(this.bands);
    this.write(bytes, count, false);
    this.frame = chunk.frame + count;
    this.chunkMs = Math.min(count * this.frameMs, 3000);
    this.end = chunk.t + count * this.frameMs;
    this.arrivedAt = performance.now();
    this.version += 1;
  }

  /** @param {number} bands */
  resize(bands) {
    this.bands = bands;
    this.next = 0;
    this.values = new Uint8Array(COLUMNS * bands);
    this.ring.width = COLUMNS;
    this.ring.height = bands;
  }

  /**
   * Writes columns into the ring.
   * @param {Uint8Array} bytes
   * @param {number} count
   * @param {boolean} blank
   */
  write(bytes, count, blank) {
    let done = 0;
    while (done < count) {
      const part = Math.min(count - done, COLUMNS - this.next);
      this.values.set(
        bytes.subarray(done * this.bands, (done + part) * this.bands),
        this.next * this.bands,
      );
      if (blank) this.ring.getContext('2d')?.clearRect(this.next, 0, part, this.bands);
      else this.paint(this.next, part);
      this.next = (this.next + part) % COLUMNS;
      done += part;
    }
  }

  /**
   * Paints columns of `values` into the ring, the low band at the bottom.
   * @param {number} first
   * @param {number} count
   */
  paint(first, count) {
    const context = this.ring.getContext('2d');
    if (!context || count === 0) return;
    const image = context.createImageData(count, this.bands);
    const pixels = new Uint32Array(image.data.buffer);
    for (let column = 0; column < count; column += 1) {
      const from = (first + column) * this.bands;
      for (let band = 0; band < this.bands; band += 1) {
        pixels[(this.bands - 1 - band) * count + column] = this.table[this.values[from + band]];
      }
    }
    context.putImageData(image, first, 0);
  }

  /** @param {string} name */
  recolour(name) {
    this.table = colourTable(name);
    if (this.bands > 0) this.paint(0, COLUMNS);
    this.version += 1;
  }

  /**
   * Draws the sound between two times.
   * @param {CanvasRenderingContext2D} context
   * @param {{from: number, to: number, width: number, height: number}} area
   */
  draw(context, { from, to, width, height }) {
    if (this.bands === 0) return;
    const columnWidth = (width * this.frameMs) / (to - from);
    const newestX = (width * (this.end - from)) / (to - from);
    // The ring in two pieces, the newer one first.
    const pieces = [
      { at: 0, count: this.next, right: newestX },
      { at: this.next, count: COLUMNS - this.next, right: newestX - this.next * columnWidth },
    ];
    for (const { at, count, right } of pieces) {
      if (count === 0 || right <= 0) continue;
      const skipped = Math.max(0, Math.floor(count - right / columnWidth));
      if (skipped >= count) continue;
      const shown = count - skipped;
      const left = right - shown * columnWidth;
      context.drawImage(
        this.ring,
        at + skipped,
        0,
        shown,
        this.bands,
        left,
        0,
        shown * columnWidth,
        height,
      );
    }
  }
}
