// Every page in light and dark, wide and at 360 px, and all that opens on it: axe finds nothing, nothing sticks out, and the
// keyboard suffices.
import assert from 'node:assert/strict';

import { agree, axe, eventually, go, isLive, please, signIn, smallTargets, story, token, url } from '../browser.mjs';

const VIEWS = ['', 'w/app', 'w/app/history', 'w/app/logs', 'w/app/files', 'w/shop', 'w/shop/logs/build', 'w/gone', 'events', 'letters', 'add', 'access', 'audit', 'platform'];
// What a view has to show, so that axe does not look at an empty one.
const SHOWN = { letters: '.letter', access: 'tbody tr', audit: 'tbody tr', 'w/shop/logs/build': '.log .line', 'w/app/logs': '.log .line', 'w/app/files': 'tbody tr', events: '.journal li', 'w/shop': '.failure', platform: '.log .line' };

await story(
  async (_, { another }) => {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1200, 360]) {
        const page = await another({ scheme, width, expected: /422/ });
        const found = [];
        const look = async (name) => {
          await eventually(`${name} is loaded`, async () => (await page.locator('.spinner:visible').count()) === 0);
          found.push(...(await axe(page)).map((trouble) => `${name}, ${scheme}, ${width} px: ${trouble}`));
          found.push(...(await smallTargets(page)).small.map((target) => `${name}, ${width} px: too small is ${target}`));
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (over > 0) found.push(`${name}, ${scheme}: ${over} px more than ${width}`);
        };
        await page.goto(url);
        await page.getByRole('button', { name: 'Sign in' }).waitFor();
        await look('sign-in');
        await page.getByText('Name and password').click();
        await look('sign-in with a password');
        await signIn(page, token);
        await opened(page, look);
        for (const view of VIEWS) {
          await go(page, view);
          if (SHOWN[view]) await page.locator(SHOWN[view]).first().waitFor();
          await look(view || 'overview');
        }
        assert.deepEqual(found, []);
        await page.context().close();
      }
    }
    await byKeyboard(await another());
  },
  { signedIn: false },
);

// What is there only when somebody opens or does something.
async function opened(page, look) {
  const dialog = page.getByRole('dialog');
  await go(page, 'access');
  await page.getByRole('button', { name: 'New token' }).click();
  await look('a dialog with fields');
  await dialog.getByLabel(/^Name/).fill(`looker-${Date.now()}`);
  await agree(page, 'Make it');
  await dialog.locator('output').waitFor();
  await look('a dialog that tells');
  await agree(page, 'Done');
  await page.getByRole('button', { name: 'Add a person' }).click();
  await dialog.getByLabel(/^Name/).fill('ada');
  await dialog.getByLabel(/^Password/).fill('a long password');
  await dialog.getByLabel(/^Workspaces/).fill('no pattern!');
  await agree(page, 'Add');
  await dialog.locator('[role="alert"]:not(:empty)').waitFor();
  await look('a dialog that was refused');
  await page.keyboard.press('Escape');

  await go(page, '');
  await page.getByText('1 removed workspace').click();
  await page.getByRole('button', { name: 'Bring back' }).waitFor();
  await look('removed workspaces');

  await go(page, 'letters');
  await page.locator('.letter summary').click();
  await page.locator('.letter pre').waitFor();
  await look('a dead letter');
  await page.getByRole('button', { name: 'Discard' }).click();
  await look('a question about danger');
  await page.keyboard.press('Escape');

  await go(page, 'w/app/history');
  const record = page.locator('.record').filter({ has: page.getByText('See what changed, line by line') }).first();
  await record.locator('summary').click();
  await record.locator('.waterfall').waitFor();
  await look('an opened record');
  await record.getByRole('link', { name: 'See what changed, line by line' }).click();
  await page.locator('.diff .lines').first().waitFor();
  await look('what differs');

  await go(page, 'add');
  await page.locator('.way').filter({ has: page.getByRole('heading', { name: 'By a command' }) }).getByLabel('Name of the workspace').fill('app');
  await page.getByRole('button', { name: 'Get the command' }).click();
  await page.getByLabel('Command for elsewhere').waitFor();
  await look('a command');

  await go(page, 'w/app');
  await please('push a release of app that takes its time to start');
  await page.locator('.waterfall li.running').first().waitFor();
  await look('a deployment that runs');
  await page.locator('.waterfall li.running').first().waitFor();
  await go(page, '');
  await page.getByRole('region', { name: 'Queue' }).waitFor();
  await look('the queue');
  await go(page, 'w/app');
  await page.getByRole('button', { name: 'Cancel deployment' }).click();
  await look('a question');
  await agree(page, 'Cancel the deployment');
  await page.locator('.toast').waitFor();
  await look('what is said for a moment');
  await page.getByRole('region', { name: 'The last deployment' }).getByText('Cancelled').waitFor();
}

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

  // Letters by themselves do nothing, whoever dictates them.
  const before = page.url();
  await page.evaluate(() => document.activeElement.blur());
  for (const key of 'abcdefghijklmnopqrstuvwxyz/?') await page.keyboard.press(key);
  assert.equal(page.url(), before);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
  await go(page, 'events');
  await page.keyboard.press('Control+/');
  assert.equal(await page.evaluate(() => document.activeElement.type), 'search');
}
