// Restart, stop, start, roll back, unpin and cancel: each is asked once, sent once, and shows at once, before it is answered.
import assert from 'node:assert/strict';

import { agree, eventually, go, please, story } from '../browser.mjs';

await story(async (page) => {
  const sent = [];
  let answer;
  await page.route('**/api/v1/workspaces/app/*', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    sent.push(new URL(route.request().url()).pathname.split('/').at(-1));
    await new Promise((resolve) => (answer = resolve));
    return route.continue();
  });
  await go(page, 'w/app');
  const heading = page.getByRole('heading', { level: 1 });
  const button = (name) => page.getByRole('button', { name, exact: true });
  const container = page.getByRole('region', { name: 'Containers' }).locator('td code').first();
  await eventually('the container is told', async () => (await container.innerText()) !== '');

  // Agrees, and sees what was asked for while nobody but the page knows of it.
  const wish = async (asked, agreed, shown) => {
    await button(asked).click();
    answer = undefined;
    await agree(page, agreed);
    await heading.getByText(`${shown}…`).waitFor();
    await eventually('it is sent', () => answer);
    assert.equal(await page.locator('.toast').filter({ hasText: `app: ${shown.toLowerCase()}` }).count(), 0, 'nothing was answered');
    answer();
    await page.locator('.toast').filter({ hasText: `app: ${shown.toLowerCase()}` }).waitFor();
  };

  await button('Restart').click();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(sent, [], 'who changes their mind has asked for nothing');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Restart', 'and is where they were');

  await wish('Restart', 'Restart', 'Restarting');
  await page.getByText('restarted, ').waitFor();
  await heading.getByText('Live').waitFor();
  assert.deepEqual(sent, ['restart']);

  await wish('Stop', 'Stop', 'Stopping');
  await heading.getByText('Stopped').waitFor();
  await wish('Start', 'Start', 'Starting');
  await heading.getByText('Live').waitFor();

  await wish('Roll back', 'Roll back', 'Rolling back');
  await page.getByText('Pinned to').waitFor();
  await heading.getByText('Live').waitFor();
  await wish('Unpin', 'Unpin', 'Unpinning');
  await page.getByText('Pinned to').waitFor({ state: 'detached' });
  await heading.getByText('Live').waitFor();

  await please('push a release of app that never gets healthy');
  await wish('Cancel deployment', 'Cancel the deployment', 'Cancelling');
  await page.getByRole('region', { name: 'The last deployment' }).getByText('Cancelled').waitFor();
  assert.deepEqual(sent, ['restart', 'stop', 'start', 'rollback', 'unpin', 'cancel']);
});
