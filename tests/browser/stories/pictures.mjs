// The pictures of the README, taken where this is told. Somebody visits the workspaces meanwhile.
import { mkdirSync } from 'node:fs';

import { eventually, go, signIn, story, token } from '../browser.mjs';

const folder = process.env.STORY_PICTURES;
mkdirSync(folder, { recursive: true });

const WINDOWS = [
  ['light', 1200, 760],
  ['dark', 1200, 760],
  ['light', 360, 720],
];

await story(
  async (_, { another }) => {
    for (const [scheme, width, height] of WINDOWS) {
      const page = await another({ scheme, width, height });
      await signIn(page, token);
      const path = (what) => `${folder}/monitor-${what}-${width === 360 ? 'narrow' : scheme}.png`;
      const traffic = page.getByRole('region', { name: 'Traffic at the edge' }).locator('polyline');
      await eventually('there is some traffic to be seen', async () => (await traffic.getAttribute('points'))?.split(' ').length > 8);
      await eventually('storage is measured', async () => /\d [kM]?B/.test(await page.locator('.cell.storage').first().innerText()));
      await page.mouse.move(0, 0);
      await page.screenshot({ path: path('overview') });
      if (width === 360) continue;
      await go(page, 'w/api');
      await eventually('the deployment is told', async () => (await page.locator('.waterfall li').count()) > 5);
      await page.screenshot({ path: path('workspace') });
      await go(page, 'w/api/history');
      await page.locator('.record summary').first().click();
      await page.getByRole('link', { name: 'See what changed, line by line' }).first().click();
      await page.locator('.diff .lines .added').first().waitFor();
      await page.mouse.move(0, 0);
      await page.screenshot({ path: path('history') });
    }
  },
  { signedIn: false },
);
