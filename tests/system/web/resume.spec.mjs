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
 * Ids of the shown events, oldest first.
 * @param {import('@playwright/test').Page} page
 */
async function shownEvents(page) {
  const ids = await page
    .locator('.recent .event[data-of="radio"]')
    .evaluateAll((lines) => lines.map((line) => /** @type {HTMLElement} */ (line).dataset.id));
  return ids.reverse();
}

/** Ids of the events in the log, oldest first. @returns {Promise<string[]>} */
async function loggedEvents() {
  const to = Date.now();
  const query = `from=${to - 3_600_000}&to=${to}&by=all`;
  const response = await fetch(`${daemon.url}api/v1/sources/radio/history?${query}`);
  const { events } = await response.json();
  return events.map((/** @type {any} */ { run, seq }) => `${run}/${seq}`);
}

/**
 * Fails unless the page shows every event of the log once, from the first shown one on.
 * @param {import('@playwright/test').Page} page
 */
async function expectComplete(page) {
  // The log has an event some moments later than the page.
  await expect(async () => {
    const shown = await shownEvents(page);
    const logged = await loggedEvents();
    const first = logged.indexOf(shown[0] ?? '');
    expect(first).toBeGreaterThanOrEqual(0);
    expect(shown).toEqual(logged.slice(first));
  }).toPass({ timeout: 30_000 });
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
    await expect.poll(async () => (await shownEvents(page)).length).toBeGreaterThan(0);
    await daemon.stop(signal);
    await expect(page.locator('.connection')).toHaveText(/connection lost, trying again/);
    await expect(card(page, 'radio')).toHaveAttribute('data-late', 'true');
    await pause(1000);
    const before = (await shownEvents(page)).length;
    await daemon.start();
    await expect(page.locator('.connection')).toHaveAttribute('data-state', 'live');
    await expect.poll(async () => (await shownEvents(page)).length).toBeGreaterThan(before + 1);
    await expect(card(page, 'radio')).toHaveAttribute('data-late', 'false');
    await expectComplete(page);
    expect(errors).toEqual([]);
  });
}

test('a reload of the page continues after the last event', async ({ page }) => {
  await page.goto(daemon.url);
  await expect.poll(async () => (await shownEvents(page)).length).toBeGreaterThan(0);
  const before = await shownEvents(page);
  await page.goto('about:blank');
  await pause(20_000);
  await page.goto(daemon.url);
  await expect.poll(async () => (await shownEvents(page)).length).toBeGreaterThan(0);
  await expectComplete(page);
  const [next] = await shownEvents(page);
  const logged = await loggedEvents();
  expect(logged.indexOf(next ?? '')).toBe(logged.indexOf(before.at(-1) ?? '') + 1);
});
