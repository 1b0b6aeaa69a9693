// @ts-check
// The page over a restart and a SIGKILL of the daemon: no event is missing or shown twice.
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { cut, Daemon, join_audio, pause } from './daemon.mjs';
import { card, watchErrors } from './pages.mjs';

/** @type {Daemon} */
let daemon;

test.beforeAll(async () => {
  daemon = new Daemon({ sources: [] });
  const file = (/** @type {string} */ name) => join(daemon.folder, `${name}.flac`);
  cut('metal', 60, 14, file('metal'));
  cut('classical', 60, 20, file('classical'));
  join_audio([file('metal'), file('classical')], file('both'));
  daemon.options.sources = [{ name: 'radio', file: file('both'), repeat: true }];
  await daemon.start();
});

test.afterAll(() => daemon.clear());

/**
 * Numbers of the shown events, oldest first.
 * @param {import('@playwright/test').Page} page
 */
async function shownNumbers(page) {
  const numbers = await page
    .locator('.recent .event[data-of="radio"]')
    .evaluateAll((lines) =>
      lines.map((line) => Number(/** @type {HTMLElement} */ (line).dataset.seq)),
    );
  return numbers.reverse();
}

/** @param {number[]} numbers */
function expectNoGap(numbers) {
  expect(numbers).toEqual(numbers.map((_, at) => numbers[0] + at));
}

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGKILL'])) {
  test(`the page survives ${signal}, and the stream resumes`, async ({ page }) => {
    const errors = watchErrors(
      page,
      /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|503/,
    );
    await page.goto(daemon.url);
    await expect(card(page, 'radio')).toBeVisible();
    // An id to resume after.
    await expect.poll(async () => (await shownNumbers(page)).length).toBeGreaterThan(0);
    await daemon.stop(signal);
    await expect(page.locator('.connection')).toHaveText(/connection lost, trying again/);
    await expect(card(page, 'radio')).toHaveAttribute('data-late', 'true');
    await pause(1000);
    const before = (await shownNumbers(page)).length;
    await daemon.start();
    await expect(page.locator('.connection')).toHaveAttribute('data-state', 'live');
    await expect.poll(async () => (await shownNumbers(page)).length).toBeGreaterThan(before + 1);
    await expect(card(page, 'radio')).toHaveAttribute('data-late', 'false');
    const numbers = await shownNumbers(page);
    expectNoGap(numbers);
    const to = Date.now();
    const query = `from=${to - 3_600_000}&to=${to}&by=all`;
    const history = await (
      await fetch(`${daemon.url}api/v1/sources/radio/history?${query}`)
    ).json();
    const logged = history.events.map((/** @type {{seq: number}} */ { seq }) => seq);
    expect(logged).toEqual(expect.arrayContaining(numbers.slice(0, -1)));
    expect(errors).toEqual([]);
  });
}

test('a reload of the page continues after the last event', async ({ page }) => {
  await page.goto(daemon.url);
  await expect.poll(async () => (await shownNumbers(page)).length).toBeGreaterThan(0);
  const last = (await shownNumbers(page)).at(-1) ?? 0;
  await page.goto('about:blank');
  await pause(20_000);
  await page.goto(daemon.url);
  await expect.poll(async () => (await shownNumbers(page)).length).toBeGreaterThan(0);
  const numbers = await shownNumbers(page);
  expect(numbers[0]).toBe(last + 1);
  expectNoGap(numbers);
});
