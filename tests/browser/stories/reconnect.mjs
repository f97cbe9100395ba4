// The agent is killed: the page says so, comes back by itself, and is told again of everything.
import { eventually, go, isLive, please, story, WHILE_DOWN } from '../browser.mjs';

await story(
  async (page) => {
    await go(page, 'w/app');
    const release = page.locator('.facts code').first();
    const before = await release.innerText();
    const said = [];
    await page.exposeFunction('said', (text) => said.push(text));
    await page.evaluate(() => {
      const look = () => {
        globalThis.said(document.querySelector('#connection').textContent);
        globalThis.said(document.querySelector('#said').textContent);
      };
      for (const id of ['connection', 'said']) new MutationObserver(look).observe(document.getElementById(id), { subtree: true, childList: true, characterData: true });
    });
    await please('kill the agent');
    await eventually('it is shown', () => said.some((text) => /Reconnecting/.test(text)));
    await eventually('and said aloud', () => said.includes('The connection is lost. Reconnecting.'));
    await isLive(page);
    await please('push a release of app after the agent came back');
    await eventually('what happens since is shown', async () => (await release.innerText()) !== before);
  },
  { expected: WHILE_DOWN },
);
