// What was deployed, what differs between two releases line by line, and the way back to one and forward again.
import assert from 'node:assert/strict';

import { agree, eventually, go, please, story } from '../browser.mjs';

await story(async (page) => {
  await please('push a release of app that says <b>history</b>');
  await go(page, 'w/app/history');
  const records = page.locator('.record');
  await records.first().waitFor();
  assert.ok((await records.count()) >= 2);
  const first = records.first();
  assert.match(await first.innerText(), /Live/);
  assert.match(await first.innerText(), /serves now/);
  await first.locator('summary').click();
  await first.locator('.paths.changed').getByText('index.js').waitFor();

  await first.getByRole('link', { name: 'See what changed, line by line' }).click();
  const diff = page.getByRole('region', { name: 'What differs' });
  await diff.locator('.lines .added').getByText('<b>history</b>').waitFor();
  assert.ok((await diff.locator('.lines .removed').count()) >= 1);
  assert.equal(await diff.locator('.lines b').count(), 0, 'what differs is text');

  const live = await first.locator('code').first().innerText();
  const second = records.nth(1);
  const wanted = await second.locator('code').first().innerText();
  await second.getByRole('button', { name: 'Roll back to this' }).click();
  await agree(page, 'Roll back');
  const heading = page.getByRole('heading', { level: 1 });
  await heading.getByText(/Rolling back|Updating/).waitFor();
  const serves = page.locator('.facts code').first();
  await eventually('the release before serves', async () => (await serves.innerText()) === wanted);
  await page.getByText('Pinned to').waitFor();
  await heading.getByText('Live').waitFor();

  await page.getByRole('button', { name: 'Unpin' }).click();
  await agree(page, 'Unpin');
  await eventually('the bucket counts again', async () => (await serves.innerText()) === live);
  await page.getByText('Pinned to').waitFor({ state: 'detached' });
});
