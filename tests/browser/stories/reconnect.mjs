// The agent is killed, stopped in order, and stopped with all of the platform: the page says so, comes back by itself, is
// told again of everything, and the log that is open goes on where it was, without a line twice or missing.
import assert from 'node:assert/strict';

import { eventually, go, isLive, please, story, WHILE_DOWN } from '../browser.mjs';

await story(
  async (page) => {
    await go(page, 'w/app/logs');
    const visits = async () => (await page.locator('.log .line').allInnerTexts()).map((line) => /visit-\d+/.exec(line)?.[0]).filter(Boolean);
    let made = 0;
    const areSeen = async (number) => {
      made += number;
      const all = Array.from({ length: made }, (_, index) => `visit-${index + 1}`);
      await eventually(`${made} visits are logged`, async () => (await visits()).includes(all.at(-1)));
      assert.deepEqual(await visits(), all);
    };
    // Containers that take over begin a log of their own.
    const areSeenOfNew = async (number) => {
      made += number;
      const last = Array.from({ length: number }, (_, index) => `visit-${made - number + index + 1}`);
      await eventually(`${last} are logged, and nothing before them`, async () => (await visits()).join() === last.join());
    };
    await please('visit app twice');
    await areSeen(2);

    const said = [];
    await page.exposeFunction('said', (text) => said.push(text));
    await page.evaluate(() => {
      const look = () => {
        globalThis.said(document.querySelector('#connection').textContent);
        globalThis.said(document.querySelector('#said').textContent);
      };
      for (const id of ['connection', 'said']) new MutationObserver(look).observe(document.getElementById(id), { subtree: true, childList: true, characterData: true });
    });
    await please('kill the agent, and visit app twice meanwhile');
    await eventually('it is shown', () => said.some((text) => /Reconnecting/.test(text)));
    await eventually('and said aloud', () => said.includes('The connection is lost. Reconnecting.'));
    await isLive(page);
    await areSeen(2);
    await please('visit app twice');
    await areSeen(2);

    await please('have the agent end in order, and visit app twice meanwhile');
    await areSeen(2);
    await please('visit app twice');
    await areSeen(2);
    await please('take the platform down and up again');
    await please('visit app twice');
    await areSeenOfNew(2);
    await isLive(page);

    const release = page.locator('.facts code').first();
    const before = await release.innerText();
    await please('push a release of app after the agent came back');
    await eventually('what happens since is shown', async () => (await release.innerText()) !== before);
    await please('visit app twice');
    await areSeenOfNew(2);

    await go(page, 'platform');
    const starts = async () => (await page.locator('.log .line').allInnerTexts()).filter((line) => /the platform is up/.test(line));
    await eventually('the last start is told', async () => (await starts()).length === 1);
    await please('have the agent end in order, and visit app twice meanwhile');
    await eventually('and the next one', async () => (await starts()).length === 2);
    const lines = await page.locator('.log .line').allInnerTexts();
    assert.equal(new Set(lines).size, lines.length, 'no line is there twice');
  },
  { expected: WHILE_DOWN },
);
