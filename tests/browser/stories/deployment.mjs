// A deployment as a waterfall, following one push while it happens, and the queue while it is in it.
import assert from 'node:assert/strict';

import { eventually, go, please, story } from '../browser.mjs';

const ORDER = ['Object put', 'Notified', 'Decided', 'Received', 'Listed', 'Settled', 'Fetched', 'Started', 'Healthy', 'Switched', 'Drained'];

await story(async (page) => {
  await go(page, 'w/app');
  const rows = page.locator('.waterfall li');
  const labels = () => rows.evaluateAll((all) => all.map((row) => row.querySelector('.label').firstChild.data));
  await rows.first().waitFor();

  const seen = [];
  await page.exposeFunction('seenRunning', (label) => seen.push(label));
  await page.evaluate(() => {
    const look = () => {
      const running = document.querySelector('.waterfall li.running .label');
      if (running) globalThis.seenRunning(running.firstChild.data);
    };
    new MutationObserver(look).observe(document.querySelector('#main'), { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await please('push a release of app that takes its time to start');
  await page.getByRole('heading', { level: 1 }).getByText(/Updating|Live/).waitFor();
  await eventually('it is followed while it happens', () => seen.includes('Healthy') || seen.includes('Started'));
  await eventually('each step is told, in order', async () => {
    const told = await labels();
    assert.deepEqual(told.filter((label) => ORDER.includes(label)), ORDER);
    return true;
  });
  await eventually('it is live', async () => /All in all/.test(await page.locator('.waterfall .total').innerText()));
  const took = await rows.locator('.took').allInnerTexts();
  for (const text of took.slice(1)) assert.match(text, /^\d+(\.\d+)? (ms|s)/, `${took}`);
  const bars = await rows.locator('.bar').evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().left));
  assert.deepEqual(bars, [...bars].sort((a, b) => a - b), 'no step begins before the one above it');
  await page.getByText('Changed in the bucket').waitFor();
  await page.locator('.came-in').getByText('index.js').waitFor();

  await go(page, '');
  await please('push another release of app that takes its time to start');
  const queue = page.getByRole('region', { name: 'Queue' });
  await queue.getByRole('link', { name: 'app' }).waitFor();
  await queue.getByText('(index.js put)').waitFor();
  await queue.waitFor({ state: 'detached' });

  await please('push an app with a dependency');
  await go(page, 'w/shop');
  const heading = page.getByRole('heading', { level: 1 });
  await eventually('its dependencies are installed while one looks', () => seen.includes('Dependencies'));
  await heading.getByText('Live').waitFor();
  const of = ['Fetched', 'Dependencies', 'Started', 'Healthy', 'Switched'];
  assert.deepEqual((await labels()).filter((label) => of.includes(label)), of);
  await page.getByRole('link', { name: 'Logs' }).click();
  await page.getByRole('button', { name: 'Build' }).click();
  await page.locator('.log').getByText('installing the dependencies of service').waitFor();
});
