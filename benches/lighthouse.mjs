// What Lighthouse says of the dashboard: its sign-in page and its overview, at a platform that runs. Prints the scores as
// JSON, with the audits that are not passed. Lighthouse is not among what test.sh installs:
//
//   npm install --prefix target/lighthouse --ignore-scripts lighthouse@12
//   eval "$(cloudyknight env)"; node benches/lighthouse.mjs [mobile|desktop]
//
// It looks in target/lighthouse, or in the folder that LIGHTHOUSE names, and drives the Chromium of the tests.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const require = createRequire(`${process.env.LIGHTHOUSE ?? `${root}target/lighthouse`}/package.json`);
const { default: lighthouse, desktopConfig } = await import(require.resolve('lighthouse'));
const form = process.argv[2] ?? 'mobile';
const config = form === 'desktop' ? desktopConfig : undefined;
const url = `${process.env.CLOUDYKNIGHT_URL}/monitor/`;

const profile = mkdtempSync(join(tmpdir(), 'ck-lighthouse-'));
const chromium = spawn(`${root}tests/browser/chromium.py`, [
  '--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank',
], { stdio: ['ignore', 'ignore', 'pipe'] });
try {
  const port = await listening(chromium);
  const cookie = await signedIn();
  const pages = { 'sign-in': {}, overview: { cookie } };
  const told = {};
  for (const [name, extraHeaders] of Object.entries(pages)) {
    // What was stored is cleared with each page, and a session in a header is not.
    const { lhr } = await lighthouse(url, { port, output: 'json', logLevel: 'error', extraHeaders }, config);
    told[name] = summary(lhr);
  }
  console.log(JSON.stringify({ url, form, lighthouse: require('lighthouse/package.json').version, ...told }, undefined, 2));
} finally {
  chromium.kill();
  await new Promise((resolve) => chromium.once('exit', resolve));
  rmSync(profile, { recursive: true, force: true });
}

// The port that Chromium chose.
function listening({ stderr }) {
  return new Promise((resolve, reject) => {
    let said = '';
    stderr.on('data', (text) => {
      said += text;
      const port = /DevTools listening on ws:\/\/[^:]+:(\d+)/.exec(said)?.[1];
      if (port) resolve(Number(port));
    });
    stderr.on('end', () => reject(new Error(`Chromium does not listen: ${said}`)));
  });
}

async function signedIn() {
  const answer = await fetch(`${url}sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-requested-by': 'monitor', origin: new URL(url).origin, 'sec-fetch-site': 'same-origin' },
    body: JSON.stringify({ token: process.env.CLOUDYKNIGHT_TOKEN }),
  });
  if (!answer.ok) throw new Error(`signing in: ${answer.status} ${await answer.text()}`);
  return answer.headers.get('set-cookie').split(';')[0];
}

function summary({ categories, audits }) {
  const scores = Object.fromEntries(Object.values(categories).map(({ id, score }) => [id, Math.round(score * 100)]));
  const measured = ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time', 'cumulative-layout-shift', 'speed-index', 'total-byte-weight'];
  const figures = Object.fromEntries(measured.map((id) => [id, audits[id].displayValue]));
  const failed = Object.values(audits).filter(({ score }) => score !== null && score < 0.9);
  return { scores, figures, not_passed: failed.map(({ id, title, displayValue }) => [id, title, displayValue].filter(Boolean).join(' · ')) };
}
