// @ts-check
// The page that classifies a file, a stream or the microphone.
import { execFileSync } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { expect, test } from '@playwright/test';
import { audioFolder, bin, cut, Daemon } from './daemon.mjs';
import { watchErrors } from './pages.mjs';

/** @type {Daemon} */
let daemon;
/** @type {import('node:http').Server} */
let station;
let clip = '';
let stationUrl = '';

test.beforeAll(async () => {
  daemon = new Daemon({ sources: [] });
  clip = join(daemon.folder, 'metal clip.flac');
  cut('metal', 60, 20, clip);
  daemon.options.sources = [{ name: 'metal', file: clip, repeat: true }];
  await daemon.start();
  station = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'audio/ogg' });
    createReadStream(join(audioFolder, 'classical.ogg')).pipe(response);
  });
  await new Promise((resolve) => station.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (station.address());
  stationUrl = `http://127.0.0.1:${port}/live.ogg`;
});

test.afterAll(async () => {
  station.close();
  await daemon.clear();
});

/**
 * Drops a file on the page, as from a file manager.
 * @param {import('@playwright/test').Page} page
 * @param {string} file
 */
async function drop(page, file) {
  const content = readFileSync(file).toString('base64');
  const data = await page.evaluateHandle(
    ({ content, name }) => {
      const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name));
      return transfer;
    },
    { content, name: basename(file) },
  );
  await page.dispatchEvent('main', 'drop', { dataTransfer: data });
}

test('a dropped file gets the verdict of `genred classify --json`', async ({ page }) => {
  const errors = watchErrors(page);
  await page.goto(daemon.url);
  await expect(page.locator('.card')).toHaveCount(1);
  await drop(page, clip);
  await expect(page).toHaveURL(/\/try$/);
  await expect(page.locator('.big-verdict .muted')).toContainText('The whole of metal clip.flac');
  await expect(page.locator('.big-verdict .genre')).toContainText('metal');
  await expect(page.locator('.top-three li')).toHaveCount(3);
  expect(await page.locator('.windows tbody tr').count()).toBeGreaterThanOrEqual(6);

  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'JSON' }).click();
  const shown = JSON.parse(readFileSync(await (await saved).path(), 'utf8'));
  const printed = JSON.parse(execFileSync(bin, ['classify', '--json', clip], { encoding: 'utf8' }));
  expect({ ...shown, file: '' }).toEqual({ ...printed, file: '' });
  expect(errors).toEqual([]);
});

test('a file without audio is refused in words', async ({ page }) => {
  await page.goto(`${daemon.url}try`);
  await page.setInputFiles('input[type=file]', {
    name: 'notes.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('These are words, not music.\n'.repeat(200)),
  });
  await expect(page.getByRole('alert')).not.toBeEmpty();
});

test('a stream on this machine is refused by default', async ({ page }) => {
  await page.goto(`${daemon.url}try`);
  await page.getByLabel('Address of a stream').fill(stationUrl);
  await page.locator('.url-form button').click();
  await expect(page.getByRole('alert')).toContainText(/127\.0\.0\.1|loopback|not public/);
});

test('a stream on this machine is classified where that is allowed', async ({ page }) => {
  const open = new Daemon({ sources: daemon.options.sources, web: 'stream_urls = "any"' });
  try {
    await open.start();
    const errors = watchErrors(page);
    await page.goto(`${open.url}try`);
    await page.getByLabel('Address of a stream').fill(stationUrl);
    await page.getByLabel('Seconds').selectOption('10');
    await page.locator('.url-form button').click();
    await expect(page.locator('.big-verdict .muted')).toContainText('The whole of');
    await expect(page.locator('.top-three li')).toHaveCount(3);
    expect(errors).toEqual([]);
  } finally {
    await open.clear();
  }
});

test('the microphone gets a verdict every three seconds', async ({ page }) => {
  const errors = watchErrors(page);
  await page.goto(`${daemon.url}try`);
  await page.locator('.inputs').getByRole('button', { name: 'Listen' }).last().click();
  await expect(page.locator('.windows tbody tr')).toHaveCount(2);
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByRole('button', { name: 'JSON' })).toBeEnabled();
  expect(errors).toEqual([]);
});
