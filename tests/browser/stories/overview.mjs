// Every workspace at a glance, live: state, address, release, containers, CPU and memory, storage, traffic and errors.
import assert from 'node:assert/strict';

import { eventually, please, story, url } from '../browser.mjs';

await story(async (page) => {
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'app', exact: true }) });
  const cell = (name) => row.locator(`.cell.${name}`);
  await row.waitFor();
  assert.match(await cell('state').innerText(), /Live/);
  const link = row.locator('a.url');
  assert.ok((await link.getAttribute('href')).startsWith(new URL('/app', url).href));
  const release = cell('release').locator('code');
  const before = await release.innerText();
  assert.match(before, /^[0-9a-f]{12}$/);
  await eventually('containers are counted', async () => /1/.test(await cell('containers').innerText()));
  await eventually('CPU is measured', async () => /\d %/.test(await cell('cpu').innerText()));
  await eventually('memory is measured', async () => /\d [kM]B/.test(await cell('memory').innerText()));
  await eventually('storage is measured', async () => /\d k?B/.test(await cell('storage').innerText()));
  const saved = page.getByRole('region', { name: 'Storage' });
  await eventually('what is saved is a number', async () => /\d+(\.\d)? [kMG]B · \d+(\.\d)? %/.test(await saved.innerText()));
  const [stored, held] = await Promise.all(['stored', 'held'].map((kind) => saved.locator(`.storage-bar .${kind}`).boundingBox()));
  assert.ok(held.width > 0 && stored.width > 0, 'and a picture');

  await please('visit app, and have it fail once');
  await eventually('requests are counted', async () => /\/s/.test(await cell('traffic').innerText()));
  const traffic = page.getByRole('region', { name: 'Traffic at the edge' });
  await eventually('the error is told', async () => /1 error since/.test(await traffic.innerText()));

  await please('push a second release of app');
  await eventually('the release changes by itself', async () => (await release.innerText()) !== before);
  await eventually('and it is live', async () => /Live/.test(await cell('state').innerText()));

  await page.getByRole('searchbox', { name: 'Find a workspace' }).fill('nothing-of-that-name');
  await page.getByText('Nothing of that name').waitFor();
});
