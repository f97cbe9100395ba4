// What browsers and those who measure pages expect of one: that it says what it is, sends little before it shows something,
// is packed and kept, waits for no script, does not jump, leaves nobody but its own server asked, and is large enough to touch.
import assert from 'node:assert/strict';

import { eventually, signIn, smallTargets, story, token, url } from '../browser.mjs';

const MOST_BYTES_TO_FIRST_PAINT = 100_000;
const MOST_SHIFT = 0.1;
// Below it, packing saves nothing.
const SMALLEST_PACKED = 1_000;

await story(
  async (page, { another }) => {
    await check(page, 'sign-in', () => page.getByRole('button', { name: 'Sign in' }).waitFor());
    await signIn(page, token);
    await check(page, 'overview', () => measured(page));
    const narrow = await another({ width: 360 });
    await check(narrow, 'sign-in at 360 px', () => narrow.getByRole('button', { name: 'Sign in' }).waitFor());
    await signIn(narrow, token);
    await check(narrow, 'overview at 360 px', () => measured(narrow));
  },
  { signedIn: false },
);

// All of it is there, also what is measured after the first look.
async function measured(page) {
  await page.locator('.workspaces .row[data-key]').first().waitFor();
  await eventually('memory is measured', async () => /\d [kM]B/.test(await page.locator('.cell.memory').first().innerText()));
  await eventually('storage is measured', async () => /\d k?B/.test(await page.locator('.cell.storage').first().innerText()));
}

async function check(page, name, isThere) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
  const answers = [];
  const keep = (answer) => answers.push(answer);
  page.on('response', keep);
  await page.addInitScript(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => globalThis.shifts.push(...list.getEntries())).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(url);
  await isThere();

  const found = await page.evaluate(seen);
  const { count, small } = await smallTargets(page);
  assert.match(found.title, /CloudyKnight/, name);
  assert.equal(found.lang, 'en', name);
  assert.equal(found.mode, 'CSS1Compat', `${name}: a document of the standard`);
  assert.match(found.viewport, /width=device-width/, name);
  assert.doesNotMatch(found.viewport, /user-scalable|maximum-scale/, `${name}: everybody may enlarge it`);
  assert.ok(found.description.length > 20, name);
  assert.ok(found.firstPaint > 0 && found.bytes > 1_000, `${name}: ${JSON.stringify(found)}`);
  assert.ok(found.bytes < MOST_BYTES_TO_FIRST_PAINT, `${name}: ${found.bytes} bytes came before the first paint`);
  assert.ok(found.shift < MOST_SHIFT, `${name}: it jumps, by ${found.shift}: ${found.shifted}`);
  assert.deepEqual(found.blocking, [], `${name}: no script is waited for`);
  assert.deepEqual(found.sizeless, [], `${name}: each picture has its place before it comes`);
  assert.ok(count >= 3, `${name}: ${count} targets`);
  assert.deepEqual(small, [], `${name}: each target is large enough`);
  console.log(`${name}: ${found.bytes} bytes before the first paint, layout shift ${found.shift.toFixed(4)}, ${count} targets`);

  page.off('response', keep);
  assert.deepEqual(answers.map((one) => new URL(one.url()).origin).filter((origin) => origin !== new URL(url).origin), [], `${name}: nobody else is asked`);
  assert.ok(Object.values(found.sizes).filter((size) => size >= SMALLEST_PACKED).length >= 3, `${name}: ${JSON.stringify(found.sizes)}`);
  const files = answers.filter((one) => !new URL(one.url()).pathname.includes('/api/') && one.status() === 200 && !one.url().endsWith('/session'));
  assert.ok(files.length >= 3, `${name}: ${files.map((one) => one.url())}`);
  for (const file of files) {
    const { pathname } = new URL(file.url());
    const headers = await file.allHeaders();
    if (found.sizes[file.url()] >= SMALLEST_PACKED) assert.match(headers['content-encoding'] ?? 'none', /^(br|gzip)$/, `${name}: ${pathname} is packed`);
    const caching = headers['cache-control'];
    if (pathname.includes('/assets/')) assert.match(caching, /immutable/, pathname);
    else if (pathname.endsWith('/')) assert.equal(caching, 'no-store', pathname);
    else assert.ok(caching === 'no-cache' && headers.etag, `${pathname}: ${caching}`);
  }
  await devtools.detach();
}

// In the page.
function seen() {
  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? '';
  const resources = performance.getEntriesByType('resource');
  const firstPaint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0;
  const before = [...performance.getEntriesByType('navigation'), ...resources].filter((one) => one.responseStart > 0 && one.responseStart <= firstPaint);
  const shifts = globalThis.shifts.filter((one) => !one.hadRecentInput);
  return {
    title: document.title,
    lang: document.documentElement.lang,
    mode: document.compatMode,
    viewport: meta('viewport'),
    description: meta('description'),
    firstPaint,
    // As they are when they are unpacked.
    sizes: Object.fromEntries([...performance.getEntriesByType('navigation'), ...resources].map((one) => [one.name, one.decodedBodySize])),
    bytes: before.reduce((sum, one) => sum + one.transferSize, 0),
    shift: shifts.reduce((sum, one) => sum + one.value, 0),
    shifted: shifts.flatMap((one) => one.sources.map(({ node }) => node?.className ?? '')).join(', '),
    blocking: resources.filter((one) => one.initiatorType === 'script' && one.renderBlockingStatus === 'blocking').map((one) => one.name),
    sizeless: [...document.images].filter((image) => !image.hasAttribute('width') || !image.hasAttribute('height')).map((image) => image.src),
  };
}
