// A release that fails: what failed, what to do, the end of its log, and what goes on serving.
import assert from 'node:assert/strict';

import { go, please, story } from '../browser.mjs';

await story(async (page) => {
  await go(page, 'w/app');
  const before = await page.locator('.facts code').first().innerText();
  await please('push a release of app that cannot start');
  await page.getByRole('heading', { level: 1 }).getByText('Degraded').waitFor();
  const card = page.locator('.failure').first();
  await card.waitFor();
  const words = await card.innerText();
  assert.match(words, /goes on serving/);
  assert.match(words, /What to do: /);
  assert.match(words, /this cannot start/, 'the log is told');
  assert.equal(await page.locator('.facts code').first().innerText(), before);
  await page.getByRole('button', { name: 'Try again' }).waitFor();
});
