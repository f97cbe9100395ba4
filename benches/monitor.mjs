// How much the dashboard sends until it shows something, and how long that takes: in a real browser, at a platform that
// runs, each time with an empty cache. Prints JSON.
//
//   eval "$(cloudyknight env)"; node benches/monitor.mjs [TIMES]
import { createRequire } from 'node:module';

const root = new URL('..', import.meta.url).pathname;
const require = createRequire(`${process.env.CLOUDYKNIGHT_TEST_BROWSER ?? `${root}target/test-browser`}/package.json`);
const { chromium } = require('playwright-core');
const times = Number(process.argv[2] ?? 10);
const url = `${process.env.CLOUDYKNIGHT_URL}/monitor/`;

const browser = await chromium.launch({ executablePath: `${root}tests/browser/chromium.py`, args: ['--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const context = await browser.newContext();
const first = await context.newPage();
await first.goto(url);
await first.getByLabel('Token', { exact: true }).last().fill(process.env.CLOUDYKNIGHT_TOKEN);
await first.getByRole('button', { name: 'Sign in' }).click();
await first.locator('#connection .live').waitFor();
await first.close();

const rounds = [];
for (let round = 0; round < times; round += 1) {
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
  const sent = [];
  // What is on the wire, headers included.
  devtools.on('Network.loadingFinished', ({ encodedDataLength }) => sent.push(encodedDataLength));
  await page.goto(url);
  await page.locator('.workspaces .row[data-key], .empty').first().waitFor();
  const live = await page.evaluate(() => performance.now());
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
  const before = await page.evaluate((end) => {
    const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    return entries.filter((one) => one.responseEnd > 0 && one.responseEnd <= end).reduce((sum, one) => sum + one.transferSize, 0);
  }, paint);
  await page.waitForLoadState('networkidle', { timeout: 2_000 }).catch(() => {});
  rounds.push({ bytes_until_first_paint: before, bytes_in_all: sent.reduce((sum, length) => sum + length, 0), first_paint_ms: paint, live_data_ms: live });
  await page.close();
}
await browser.close();

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const of = (name) => Math.round(median(rounds.map((round) => round[name])));
console.log(JSON.stringify({ url, rounds: times, median: Object.fromEntries(Object.keys(rounds[0]).map((name) => [name, of(name)])) }, undefined, 2));
