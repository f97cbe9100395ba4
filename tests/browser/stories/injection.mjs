// What other people wrote (file names, titles, log lines, commit messages) is shown as it was written, and is never markup.
import assert from 'node:assert/strict';

import { eventually, go, story } from '../browser.mjs';

const HOSTILE = '<img src=x onerror=alert(1)>';

await story(async (page) => {
  page.on('dialog', () => assert.fail('a script of somebody else ran'));
  const views = ['', 'w/hostile', 'w/hostile/history', 'w/hostile/logs', 'w/hostile/files', 'events', 'letters', 'platform', `w/${encodeURIComponent(HOSTILE)}`, `events/${encodeURIComponent(HOSTILE)}`];
  const seen = [];
  for (const view of views) {
    await go(page, view);
    if (view === 'w/hostile/history') await page.locator('.record summary').first().click();
    await eventually(`${view} is shown`, async () => (await page.locator('.spinner:visible').count()) === 0);
    if (view.startsWith('w/hostile')) await eventually(`${view} shows what was written`, async () => (await page.locator('#main').innerText()).includes(HOSTILE));
    const text = await page.locator('#main').innerText();
    if (text.includes(HOSTILE)) seen.push(view);
    assert.equal(await page.locator('#main img, #main script, #main [onerror]').count(), 0, view);
    const leads = await page.locator('a[href]').evaluateAll((all) => all.map((one) => one.protocol));
    assert.ok(leads.every((protocol) => /^https?:$/.test(protocol)), `${view}: ${leads}`);
  }
  assert.ok(['w/hostile', 'w/hostile/history', 'w/hostile/logs', 'w/hostile/files', 'events'].every((view) => seen.includes(view)), `${seen}`);
});
