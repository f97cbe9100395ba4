// Restart, stop, start and cancel: each is asked once, sent once, and shows at once.
import assert from 'node:assert/strict';

import { agree, eventually, go, please, story } from '../browser.mjs';

await story(async (page) => {
  const sent = [];
  page.on('request', (request) => request.method() === 'POST' && sent.push(new URL(request.url()).pathname.split('/').at(-1)));
  await go(page, 'w/app');
  const heading = page.getByRole('heading', { level: 1 });
  const button = (name) => page.getByRole('button', { name, exact: true });
  const container = page.getByRole('region', { name: 'Containers' }).locator('td code').first();
  await eventually('the container is told', async () => (await container.innerText()) !== '');

  await button('Restart').click();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(sent, [], 'who changes their mind has asked for nothing');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Restart', 'and is where they were');

  await button('Restart').click();
  await agree(page, 'Restart');
  await heading.getByText(/Restarting|Updating/).waitFor();
  await page.getByText('restarted, ').waitFor();
  await heading.getByText('Live').waitFor();
  assert.deepEqual(sent, ['restart']);

  await button('Stop').click();
  await agree(page, 'Stop');
  await heading.getByText('Stopped').waitFor();
  await button('Start').click();
  await agree(page, 'Start');
  await heading.getByText('Live').waitFor();

  await please('push a release of app that never gets healthy');
  await button('Cancel deployment').click();
  await agree(page, 'Cancel the deployment');
  await page.getByRole('region', { name: 'The last deployment' }).getByText('Cancelled').waitFor();
  assert.deepEqual(sent, ['restart', 'stop', 'start', 'cancel']);
});
