// The pictures of the README, taken where this is told.
import { mkdirSync } from 'node:fs';

import { eventually, go, isLive, please, signIn, story, token } from '../browser.mjs';

const folder = process.env.STORY_PICTURES;
mkdirSync(folder, { recursive: true });

await story(
  async (_, { another }) => {
    for (const [scheme, width, height] of [['light', 1200, 760], ['dark', 1200, 760], ['light', 360, 720]]) {
      const page = await another({ scheme, width, height });
      await signIn(page, token);
      const name = (what) => `${folder}/monitor-${what}-${width === 360 ? 'narrow' : scheme}.png`;
      await please('visit the workspaces for a while');
      await eventually('something is measured', async () => /\d [kM]B/.test(await page.locator('.cell.storage').first().innerText()));
      await page.screenshot({ path: name('overview') });
      if (width === 360) continue;
      await go(page, 'w/api');
      await eventually('the deployment is told', async () => (await page.locator('.waterfall li').count()) > 5);
      await isLive(page);
      await page.mouse.move(0, 0);
      await page.screenshot({ path: name('workspace') });
    }
  },
  { signedIn: false },
);
