// @ts-check
// The wall and the page of a source, while real music plays.
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { cut, Daemon, join_audio } from './daemon.mjs';
import { card, coloursOf, watchErrors } from './pages.mjs';

/** @type {Daemon} */
let daemon;

test.beforeAll(async () => {
  daemon = new Daemon({ sources: [] });
  const file = (/** @type {string} */ name) => join(daemon.folder, `${name}.flac`);
  cut('metal', 60, 90, file('metal'));
  cut('classical', 60, 90, file('classical'));
  cut('metal', 60, 25, file('first'));
  cut('classical', 60, 65, file('second'));
  join_audio([file('first'), file('second')], file('both'));
  daemon.options.sources = [
    { name: 'metal', file: file('metal'), repeat: true },
    { name: 'classical', file: file('classical'), repeat: true },
    { name: 'changing', file: file('both') },
  ];
  await daemon.start();
});

test.afterAll(() => daemon.clear());

test('cards show what plays, and the ribbon changes with the music', async ({ page }) => {
  const errors = watchErrors(page);
  await page.goto(daemon.url);
  await expect(card(page, 'metal').locator('.genre')).toHaveText('metal');
  await expect(card(page, 'classical').locator('.genre')).toHaveText('classical');
  await expect(card(page, 'metal').locator('.health')).toContainText('healthy');
  await expect(card(page, 'metal').locator('.fresh')).toContainText('live');
  await expect(page.locator('.connection')).toHaveAttribute('data-state', 'live');

  const changing = card(page, 'changing');
  const ribbon = changing.locator('.ribbon-bar');
  await expect(changing.locator('.genre')).toHaveText('metal');
  await expect(ribbon).toHaveAttribute('aria-label', /metal/);
  await expect(ribbon).not.toHaveAttribute('aria-label', /classical/);
  await expect(changing.locator('.genre')).toHaveText('classical');
  await expect(ribbon).toHaveAttribute('aria-label', /classical.*metal|metal.*classical/);
  await expect(page.locator('.recent .event[data-of="changing"]').first()).toContainText(
    '→ classical',
  );
  expect(errors).toEqual([]);
});

test('the page of a source shows the log-mel frames, the evidence and the words', async ({
  page,
}) => {
  const errors = watchErrors(page);
  await page.goto(daemon.url);
  await card(page, 'metal').locator('a').click();
  await expect(page).toHaveURL(/\/s\/metal$/);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('metal');
  await expect(page.locator('.summary-panel .genre')).toHaveText('metal');
  await expect(page.locator('.evidence .words')).toContainText(/metal/i);
  await expect(page.locator('.evidence .bars').first()).toContainText('metal');
  await expect.poll(() => coloursOf(page.locator('.timeline canvas'))).toBeGreaterThan(50);
  await page.locator('.timeline summary').click();
  await expect(page.locator('.timeline tbody tr').first()).toContainText('metal');
  expect(errors).toEqual([]);
});

test('a correction and settings reach the daemon, a refusal is shown', async ({ page }) => {
  const errors = watchErrors(page, /422/);
  await page.goto(`${daemon.url}s/classical`);
  await expect(page.locator('.summary-panel .genre')).toHaveText('classical');
  await page.locator('input[name="genre"]').fill('ambient');
  await page.locator('select[name="last_s"]').selectOption('10');
  await page.getByRole('button', { name: 'Correct' }).click();
  await expect(page.getByText(/Stored as correction \d+: .* was ambient/)).toBeVisible();

  const hop = page.locator('input[name="hop"]');
  await hop.fill('0.5');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved; lasts until the daemon exits.')).toBeVisible();
  const source = await (await fetch(`${daemon.url}api/v1/sources/classical`)).json();
  expect(source.settings.hop).toBe(0.5);
  await hop.fill('17');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText(/17 is not 0\.25 to 3/)).toBeVisible();
  expect(errors).toEqual([]);
});

test('the history has the charts, and an event has a link', async ({ page }) => {
  const errors = watchErrors(page);
  await page.goto(`${daemon.url}s/changing/history`);
  await expect(page.locator('.chart canvas')).toHaveCount(3);
  await expect(page.locator('.totals')).toContainText('Coverage');
  const event = page.locator('.event-columns .event', { hasText: '→ classical' }).first();
  // The page shows what was logged when it was opened.
  await expect(async () => {
    await page.reload();
    await expect(event).toBeVisible({ timeout: 1000 });
  }).toPass({ timeout: 90_000 });
  const id = await event.getAttribute('id');
  await page.goto(`${daemon.url}s/changing/history#${id}`);
  await page.reload();
  await expect(page.locator(`#${id}`)).toHaveClass(/target/);
  const csv = await page.getByRole('link', { name: 'CSV' }).getAttribute('href');
  expect(await (await fetch(csv ?? '')).text()).toContain('source,start,end,state,label');
  expect(errors).toEqual([]);
});
