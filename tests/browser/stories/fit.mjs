// Every main page in light and dark, wide and at 360 px: axe finds nothing, nothing sticks out, and the keyboard suffices.
import assert from 'node:assert/strict';

import { axe, eventually, go, isLive, signIn, story, token, url } from '../browser.mjs';

const VIEWS = ['', 'w/app', 'w/app/history', 'w/app/logs', 'w/app/files', 'w/shop', 'events', 'letters', 'add', 'access', 'audit', 'platform'];

await story(
  async (_, { another }) => {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1200, 360]) {
        const page = await another({ scheme, width });
        const found = [];
        const look = async (name) => {
          await eventually(`${name} is loaded`, async () => (await page.locator('.spinner:visible').count()) === 0);
          found.push(...(await axe(page)).map((trouble) => `${name}, ${scheme}, ${width} px: ${trouble}`));
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (over > 0) found.push(`${name}, ${scheme}: ${over} px more than ${width}`);
        };
        await page.goto(url);
        await page.getByRole('button', { name: 'Sign in' }).waitFor();
        await look('sign-in');
        await signIn(page, token);
        for (const view of VIEWS) {
          await go(page, view);
          await look(view || 'overview');
        }
        await go(page, 'w/app');
        await page.getByRole('button', { name: 'Restart' }).click();
        await look('a question');
        assert.deepEqual(found, []);
        await page.context().close();
      }
    }
    await byKeyboard(await another());
  },
  { signedIn: false },
);

async function byKeyboard(page) {
  await page.goto(url);
  await eventually('one can type at once', () => page.evaluate(() => document.activeElement.id === 'token'));
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
  await isLive(page);
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const tabTo = async (words) => {
    for (let tries = 0; tries < 60; tries += 1) {
      await page.keyboard.press('Tab');
      if ((await focused()) === words) return;
    }
    assert.fail(`no way to ${words} by the keyboard`);
  };
  await tabTo('Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.getByRole('link', { name: 'app', exact: true }).waitFor();
  await tabTo('app');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'what is focused shows');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Restart' }).waitFor();
  await tabTo('Restart');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await eventually('the focus comes back', async () => (await focused()) === 'Restart');
}
