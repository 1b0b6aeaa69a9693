// @ts-check
// Figures of the wall: first paint, transferred bytes, and frames per second while it scrolls.
// `benches/web.sh` starts it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { cut, Daemon } from './daemon.mjs';

const SCROLL_S = 8;
const RUNS = 3;

/** @param {string} name @param {string} otherwise */
function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

/** Daemon with many sources, all of which play the same minute of music. @param {number} count */
async function startDaemon(count) {
  const daemon = new Daemon({ sources: [] });
  const file = join(daemon.folder, 'metal.flac');
  cut('metal', 60, 60, file);
  daemon.options.sources = Array.from({ length: count }, (_, at) => ({
    name: `radio-${String(at + 1).padStart(3, '0')}`,
    file,
    repeat: true,
  }));
  return daemon.start();
}

/**
 * Loads the wall with an empty cache.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} url
 */
async function measureLoad(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  /** @type {Map<string, number>} */
  const sizes = new Map();
  let files = 0;
  let streamed = 0;
  network.on('Network.responseReceived', ({ requestId, response }) => {
    if (response.mimeType === 'text/event-stream') sizes.set(requestId, Number.NaN);
  });
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (!Number.isNaN(sizes.get(requestId) ?? 0)) sizes.set(requestId, encodedDataLength);
  });
  network.on('Network.dataReceived', ({ requestId, dataLength }) => {
    if (Number.isNaN(sizes.get(requestId))) streamed += dataLength;
  });
  await page.goto(url);
  await page.locator('.card').first().waitFor();
  // The largest text of the wall is the genre on its cards.
  const cardAt = await page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime)).observe({
          type: 'largest-contentful-paint',
          buffered: true,
        });
      }),
  );
  const paint = await page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
  );
  await page.waitForTimeout(1500);
  let bytes = 0;
  for (const size of sizes.values()) {
    if (Number.isNaN(size)) continue;
    files += 1;
    bytes += size;
  }
  return { context, page, paint, cardAt: Number(cardAt), bytes, files, streamed };
}

/**
 * Scrolls to the bottom and back, and counts animation frames.
 * @param {import('@playwright/test').Page} page
 */
function measureScrolling(page) {
  return page.evaluate(
    (/** @type {number} */ seconds) =>
      new Promise((resolve) => {
        /** @type {number[]} */
        const gaps = [];
        const start = performance.now();
        let last = start;
        let direction = 1;
        /** @param {number} now */
        function frame(now) {
          if (now > last) gaps.push(now - last);
          last = now;
          const end = document.documentElement.scrollHeight - innerHeight;
          if (scrollY >= end - 1) direction = -1;
          else if (scrollY <= 0) direction = 1;
          scrollBy(0, direction * 30);
          if (now - start < seconds * 1000) requestAnimationFrame(frame);
          else {
            gaps.sort((one, other) => one - other);
            const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
            resolve({ fps: 1000 / mean, worst99: gaps[Math.floor(gaps.length * 0.99)] });
          }
        }
        requestAnimationFrame(frame);
      }),
    SCROLL_S,
  );
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

const count = Number(option('sources', '300'));
const given = option('url', '');
const daemon = given ? null : await startDaemon(count);
const url = given || /** @type {Daemon} */ (daemon).url;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  /** @type {Awaited<ReturnType<typeof measureLoad>>[]} */
  const loads = [];
  /** @type {Record<string, any>} */
  const figures = {};
  for (let run = 0; run < RUNS; run += 1) {
    const load = await measureLoad(browser, url);
    loads.push(load);
    if (run + 1 < RUNS) await load.context.close();
  }
  const { page, files, streamed } = /** @type {typeof loads[number]} */ (loads.at(-1));
  figures.cards = await page.locator('.card').count();
  figures.first_paint_ms = Math.round(median(loads.map(({ paint }) => paint)));
  figures.largest_paint_ms = Math.round(median(loads.map(({ cardAt }) => cardAt)));
  figures.transferred_kb = Math.round(median(loads.map(({ bytes }) => bytes)) / 100) / 10;
  figures.requests = files;
  figures.streamed_at_start_kb = Math.round(streamed / 100) / 10;
  for (const layout of ['rows', 'cards']) {
    await page.getByRole('button', { name: layout, exact: true }).click();
    await page.evaluate(() => scrollTo(0, 0));
    await page.waitForTimeout(1000);
    const { fps, worst99 } = /** @type {{fps: number, worst99: number}} */ (
      await measureScrolling(page)
    );
    figures[`scrolling_${layout}_fps`] = Math.round(fps * 10) / 10;
    figures[`scrolling_${layout}_frame_ms_p99`] = Math.round(worst99 * 10) / 10;
  }
  console.log(JSON.stringify(figures, null, 2));
  const target = option('out', '');
  if (target) writeFileSync(target, `${JSON.stringify(figures)}\n`);
} finally {
  await browser.close();
  await daemon?.clear();
}
