// @ts-check
// Accessibility, keyboard and screenshots of every page, in both themes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { cut, Daemon } from './daemon.mjs';
import { card, expectAccessible, SIZES, shoot, THEMES, watchErrors } from './pages.mjs';

/** @type {Daemon} */
let daemon;
let clip = '';

test.beforeAll(async () => {
  daemon = new Daemon({ sources: [] });
  clip = join(daemon.folder, 'metal.flac');
  const classical = join(daemon.folder, 'classical.flac');
  cut('metal', 60, 60, clip);
  cut('classical', 60, 60, classical);
  daemon.options.sources = [
    { name: 'Rock Tower', file: clip, repeat: true },
    { name: 'Klassik', file: classical, repeat: true },
    { name: 'Missing', file: join(daemon.folder, 'no-such-file.flac') },
  ];
  await daemon.start();
  // The screenshots show music that is recognised.
  for (const [name, genre] of [
    ['Rock_Tower', 'metal'],
    ['Klassik', 'classical'],
  ]) {
    await expect.poll(() => daemon.genreOf(name), { timeout: 60_000 }).toBe(genre);
  }
});

test.afterAll(() => daemon.clear());

/** Pages, and what shows that they are complete. @type {[name: string, path: string, ready: string][]} */
const PAGES = [
  ['wall', '', '.card[data-source="Klassik"][data-late="false"]'],
  ['source', 's/Rock_Tower', '.evidence .bars'],
  ['history', 's/Rock_Tower/history', '.chart canvas'],
  ['try', 'try', '.drop'],
];

for (const theme of THEMES) {
  for (const [name, path, ready] of PAGES) {
    test(`${name}, ${theme}: no serious violation of WCAG, no errors, screenshots`, async ({
      browser,
    }) => {
      for (const [size, viewport] of Object.entries(SIZES)) {
        const context = await browser.newContext({ colorScheme: theme, viewport });
        const page = await context.newPage();
        const errors = watchErrors(page);
        await page.goto(daemon.url + path);
        await expect(page.locator(ready).first()).toBeVisible();
        if (name === 'try') {
          await page.setInputFiles('input[type=file]', clip);
          await expect(page.locator('.big-verdict .muted')).toContainText('The whole of');
        }
        if (name === 'source') await page.waitForTimeout(4000);
        await shoot(page, `${name}-${theme}-${size}`);
        await expectAccessible(page);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(overflow, 'no horizontal scrolling').toBeLessThanOrEqual(0);
        expect(errors).toEqual([]);
        await context.close();
      }
    });
  }
}

test('everything is reachable by keyboard', async ({ page }) => {
  await page.goto(daemon.url);
  await expect(card(page, 'Klassik')).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.keyboard.type('klass');
  await expect(page.locator('.card')).toHaveCount(1);
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.press('Delete');
  await expect(page.locator('.card')).toHaveCount(3);

  await page.locator('.card .name a').first().focus();
  await page.keyboard.press('ArrowDown');
  await expect(page.locator('.card .name a').nth(1)).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/s\//);
  await expect(page.locator('main')).toBeFocused();

  for (const [, path, ready] of PAGES) {
    await page.goto(daemon.url + path);
    await expect(page.locator(ready).first()).toBeVisible();
    await expectAllReachable(page);
  }
});

/**
 * Presses Tab until the focus returns, and compares with what can be operated.
 * @param {import('@playwright/test').Page} page
 */
async function expectAllReachable(page) {
  const operable = await page.evaluate(() => {
    const all = document.querySelectorAll(
      'a[href], button, input, select, summary, audio[controls]',
    );
    const wanted = [...all].filter(
      (element) =>
        element.checkVisibility() && !element.matches(':disabled') && !element.closest('dialog'),
    );
    for (const [at, element] of wanted.entries()) element.setAttribute('data-operable', String(at));
    return wanted.length;
  });
  const reached = new Set();
  await page.locator('body').press('Tab');
  for (let step = 0; step < operable * 4 + 20 && reached.size < operable; step += 1) {
    const at = await page.evaluate(() => document.activeElement?.getAttribute('data-operable'));
    if (at) reached.add(at);
    await page.keyboard.press('Tab');
  }
  expect(reached.size).toBe(operable);
}

test('the theme switch and reduced motion', async ({ browser }) => {
  const context = await browser.newContext({ colorScheme: 'dark', reducedMotion: 'reduce' });
  const page = await context.newPage();
  const errors = watchErrors(page);
  await page.goto(`${daemon.url}s/Klassik`);
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.getByRole('button', { name: 'Theme: auto' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
  expect(errors).toEqual([]);
  await context.close();
});

test('a daemon with a token shows the login dialog', async ({ page }) => {
  const guarded = new Daemon({ sources: daemon.options.sources });
  const token = join(guarded.folder, 'token');
  writeFileSync(token, 'correct-horse-battery\n', { mode: 0o600 });
  guarded.options.web = `token_file = "${token}"`;
  try {
    await guarded.start();
    await page.goto(guarded.url);
    const dialog = page.getByRole('dialog', { name: 'Token needed' });
    await expect(dialog).toBeVisible();
    await expectAccessible(page);
    await dialog.getByLabel('Token').fill('wrong');
    await page.keyboard.press('Enter');
    await expect(dialog.getByRole('alert')).toHaveText('The token is wrong.');
    await dialog.getByLabel('Token').fill('correct-horse-battery');
    await page.keyboard.press('Enter');
    await expect(dialog).toBeHidden();
    await expect(card(page, 'Klassik')).toBeVisible();
  } finally {
    await guarded.clear();
  }
});
