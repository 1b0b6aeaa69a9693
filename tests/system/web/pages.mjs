// @ts-check
// Parts that the browser tests share.
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { expect } from '@playwright/test';

/** @import { Page } from '@playwright/test' */

export const THEMES = /** @type {const} */ (['dark', 'light']);
export const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

/**
 * Collects errors of the console and uncaught ones.
 * @param {Page} page
 * @param {RegExp} [expected]  Errors that belong to the test.
 */
export function watchErrors(page, expected) {
  /** @type {string[]} */
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !expected?.test(message.text())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(`${error.message}\n${error.stack}`));
  return errors;
}

/** @param {Page} page */
export async function expectAccessible(page) {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  const severe = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const words = severe.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n  ')}`,
  );
  expect(words, words.join('\n')).toEqual([]);
}

/**
 * @param {Page} page
 * @param {string} name
 */
export async function shoot(page, name) {
  await page.screenshot({ path: join(process.env.GENRED_SHOTS ?? '.', `${name}.png`) });
}

/**
 * Card of a source.
 * @param {Page} page
 * @param {string} name
 */
export function card(page, name) {
  return page.locator(`.card[data-source="${name}"]`);
}

/**
 * Pixels of a canvas, as the number of distinct colours.
 * @param {import('@playwright/test').Locator} canvas
 */
export function coloursOf(canvas) {
  return canvas.evaluate((element) => {
    const { width, height } = /** @type {HTMLCanvasElement} */ (element);
    const context = /** @type {HTMLCanvasElement} */ (element).getContext('2d');
    if (!context || width === 0) return 0;
    const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    return new Set(pixels).size;
  });
}
