// The dashboard is redeployed while it is open, and rolled back by its own button, and goes on.
import assert from 'node:assert/strict';

import { agree, eventually, go, isLive, please, story, WHILE_DOWN } from '../browser.mjs';

await story(
  async (page) => {
    const version = () => page.evaluate(() => document.querySelector('link[rel=stylesheet]').href.split('/assets/')[1].split('/')[0]);
    const first = await version();
    await please('push the dashboard anew');
    await page.getByText('The dashboard was deployed anew').waitFor();
    await isLive(page);
    // What had not been opened before comes from the version before, or the page says what to do.
    await page.evaluate(() => (location.hash = '#/events'));
    await page.locator('h1').filter({ hasText: /^(Events|There is a newer dashboard)$/ }).waitFor();
    await page.getByRole('button', { name: 'Reload' }).click();
    await isLive(page);
    assert.notEqual(await version(), first);
    assert.equal(await page.getByText('The dashboard was deployed anew').count(), 0);

    await go(page, 'w/monitor');
    await page.getByRole('button', { name: 'Roll back', exact: true }).click();
    await agree(page, 'Roll back');
    await page.getByText('Pinned to').waitFor();
    await page.getByText('The dashboard was deployed anew').waitFor();
    await isLive(page);
    await page.getByRole('button', { name: 'Reload' }).click();
    await isLive(page);
    await eventually('it is as it was', async () => (await version()) === first);
  },
  { expected: WHILE_DOWN },
);
