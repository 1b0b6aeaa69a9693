// @ts-check
// Perceptually uniform colour maps, interpolated between samples of the originals of matplotlib
// (inferno, viridis; CC0) in steps of 1/16.

/** @type {Record<string, string>} */
const SAMPLES = {
  inferno:
    '000004 0c0826 240c4f 420a68 5d126e 781c6d 932667 ae305c c73e4c dd513a ed6925 f8850f fca50a fac62d f2e661 f7f487 fcffa4',
  viridis:
    '440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725',
  grey: '000000 ffffff',
};

export const COLOUR_MAPS = Object.keys(SAMPLES);

/**
 * Colours of a map for the values 0 to 255, as packed RGBA of little-endian memory.
 * @param {string} name
 */
export function colourTable(name) {
  const samples = (SAMPLES[name] ?? SAMPLES.inferno)
    .split(' ')
    .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value += 1) {
    const at = (value / 255) * (samples.length - 1);
    const low = Math.min(Math.floor(at), samples.length - 2);
    const [r, g, b] = [0, 1, 2].map((channel) =>
      Math.round(
        samples[low][channel] + (samples[low + 1][channel] - samples[low][channel]) * (at - low),
      ),
    );
    table[value] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}
