// A real browser for a story: Chromium, without a window, at a platform's dashboard. Whatever the page's scripts complain
// about, and whatever its policy had to refuse, ends the story.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.env.CLOUDYKNIGHT_TEST_BROWSER}/package.json`);
const { chromium } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const url = `${process.env.STORY_URL}/`;
export const token = process.env.STORY_TOKEN;
export const patience = 60_000;

const SMALLEST_TARGET = 24;
const CHROMIUM = new URL('chromium.py', import.meta.url).pathname;
const ARGUMENTS = ['--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

// Tells a story: `tell` is given a browser window that is signed in, unless it wants to do that itself.
export async function story(tell, { signedIn = true, ...window } = {}) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  const troubles = [];
  try {
    const page = await open(browser, troubles, window);
    if (signedIn) await signIn(page, token);
    await tell(page, { another: (options) => open(browser, troubles, { ...window, ...options }) });
    assert.deepEqual(troubles, [], 'the page complained');
  } catch (error) {
    if (troubles.length > 0) console.error('the page complained:', troubles);
    const page = browser.contexts()[0]?.pages()[0];
    if (page) console.error(`--- what the page showed at ${page.url()}\n${await page.locator('body').innerText().catch(String)}\n---`);
    throw error;
  } finally {
    await browser.close();
    asked.close();
  }
}

async function open(browser, troubles, { scheme = 'light', width = 1200, height = 800, expected, ignoreHTTPSErrors = false } = {}) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height }, acceptDownloads: true, ignoreHTTPSErrors });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.on('pageerror', (error) => troubles.push(error.stack));
  page.on('console', (message) => {
    if (message.type() === 'error' && !expected?.test(message.text())) troubles.push(`${message.text()} at ${message.location().url}`);
  });
  return page;
}

// What a browser says of requests that do not come through, while something is down.
export const WHILE_DOWN = /Failed to load resource|net::ERR/;

export async function signIn(page, given, at = url) {
  await page.goto(at);
  await page.getByLabel('Token', { exact: true }).last().fill(given);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await isLive(page);
}

export const isLive = (page) => page.locator('#connection .live').waitFor();

const TITLES = { '': 'Workspaces', events: 'Events', letters: 'Dead letters', add: 'Add a workspace', access: 'Access', audit: 'Audit', platform: 'Platform' };

// A view of the dashboard, by what is behind `#/`: the one that is asked for, and not the one before it.
export async function go(page, view) {
  const [name, about, tab] = view.split('/').map(decodeURIComponent);
  const title = name === 'w' ? about : TITLES[name];
  assert.ok(title, `a story knows no view ${view}`);
  await page.evaluate((hash) => (location.hash = hash), `#/${view}`);
  await page.waitForFunction((wanted) => document.title === wanted, `${title} · CloudyKnight`);
  await page.locator('h1').filter({ hasText: title }).waitFor();
  if (name === 'w' && tab) await page.locator(`.tabs a[aria-current="page"][href$="/${tab}"]`).waitFor();
}

// Looks until it is so.
export async function eventually(what, look) {
  const end = Date.now() + patience;
  let last;
  for (;;) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) assert.fail(`waited in vain: ${what} (${last})`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

// What no browser can do is done by whoever has this told: words on a line, and a line when it is done.
const asked = createInterface({ input: process.stdin });
const answers = asked[Symbol.asyncIterator]();
export async function please(words) {
  console.log(`@ ${words}`);
  return (await answers.next()).value;
}

export async function axe(page) {
  // What fades in is half there.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity).map((one) => one.finished)));
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target.join(' ')} (${node.failureSummary})`).join('; ')}`);
}

// What is too small to be touched or clicked by everybody (WCAG 2.2, 2.5.8), and how many targets there are.
export async function smallTargets(page) {
  return page.evaluate((smallest) => {
    const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('.skip, .hidden, [aria-hidden="true"]');
    // A link within a sentence is as high as its line, and a box for a tick is as large as the label that it is in.
    const isInSentence = (element) => element.matches('a') && getComputedStyle(element).display === 'inline' && element.closest('p, li, dd');
    const targets = [...document.querySelectorAll('a[href], button, input, select, summary')].filter((element) => isShown(element) && !isInSentence(element));
    const places = targets.map((element) => [element, (element.closest('label') ?? element).getBoundingClientRect()]);
    const small = places.filter(([, { width, height }]) => width < smallest || height < smallest);
    return {
      count: targets.length,
      small: small.map(([element, { width, height }]) => `${element.tagName} ${element.textContent.trim()} ${element.className} ${width.toFixed(0)}x${height.toFixed(0)}`),
    };
  }, SMALLEST_TARGET);
}

// What everybody is asked before something is done.
export async function agree(page, words) {
  await page.getByRole('dialog').getByRole('button', { name: words, exact: true }).click();
}
