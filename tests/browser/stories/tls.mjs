// Behind a proxy that ends TLS: signing in and changes by https, and what apps are told of their visitors. Where the edge
// does not believe the proxy, nothing of what it claims is passed on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as askEdge } from 'node:http';
import { createServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { agree, go, signIn, story, token } from '../browser.mjs';

const [edgeHost, edgePort] = process.env.STORY_EDGE.split(':');
const believed = process.env.STORY_BELIEVED === 'true';
// From the documentation's own range: on this machine, every visitor has the address of the proxy.
const VISITOR = '203.0.113.7';

function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'ck-tls-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  try {
    const arguments_ = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert];
    execFileSync('openssl', arguments_, { stdio: ['ignore', 'ignore', 'pipe'] });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const proxy = createServer(certificate(), (asked, answer) => {
  const { method, url, headers } = asked;
  const said = { 'x-forwarded-for': VISITOR, 'x-forwarded-proto': 'https', 'x-forwarded-host': headers.host };
  const passed = askEdge({ host: edgeHost, port: edgePort, method, path: url, headers: { ...headers, ...said } });
  answer.on('close', () => passed.destroy());
  passed.on('error', () => answer.destroy());
  passed.on('response', (told) => {
    answer.writeHead(told.statusCode, told.headers);
    answer.flushHeaders();
    told.pipe(answer);
  });
  asked.pipe(passed);
});
await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
const { port } = proxy.address();
const origin = `https://localhost:${port}`;

// As a program asks.
function ask(method, path, headers = {}, body = undefined) {
  return new Promise((resolve, reject) => {
    const asked = request(`${origin}${path}`, { method, headers, rejectUnauthorized: false, agent: false }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const told = JSON.parse((await ask('GET', '/mirror/')).body);
assert.equal(told['x-forwarded-proto'], believed ? 'https' : 'http');
assert.equal(told['x-real-ip'], believed ? VISITOR : '127.0.0.1');
assert.equal(told['x-forwarded-for'], believed ? `${VISITOR}, 127.0.0.1` : '127.0.0.1');
assert.equal(told['x-forwarded-host'], `localhost:${port}`);

const own = { 'content-type': 'application/json', 'x-requested-by': 'monitor', origin };
const signedIn = await ask('POST', '/monitor/sign-in', own, JSON.stringify({ token }));
assert.equal(signedIn.status, 204, signedIn.body);
const [set] = signedIn.headers['set-cookie'];
assert.equal(set.startsWith(`__Secure-cloudyknight-${port}=`), believed, set);
assert.equal(/; Secure(;|$)/.test(set), believed, set);

// The origin of the page is that of the proxy, and no other one is.
const cookie = set.split(';')[0];
const restart = (from) => ask('POST', '/monitor/api/v1/workspaces/mirror/restart', { ...own, cookie, origin: from });
assert.equal((await restart('https://evil.example')).status, 403);
assert.equal((await restart(origin)).status, 202);

if (believed) {
  await story(
    async (page) => {
      await signIn(page, token, `${origin}/monitor/`);
      const [kept] = await page.context().cookies(`${origin}/monitor/`);
      assert.deepEqual(
        { name: kept.name, secure: kept.secure, httpOnly: kept.httpOnly, sameSite: kept.sameSite, path: kept.path },
        { name: `__Secure-cloudyknight-${port}`, secure: true, httpOnly: true, sameSite: 'Strict', path: '/monitor' },
      );
      await go(page, 'w/mirror');
      await page.getByRole('button', { name: 'Restart', exact: true }).click();
      await agree(page, 'Restart');
      await page.locator('.toast').getByText('mirror: restarting').waitFor();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('button', { name: 'Sign in' }).waitFor();
      assert.deepEqual(await page.context().cookies(), [], 'and is gone');
    },
    { signedIn: false, ignoreHTTPSErrors: true },
  );
}
proxy.closeAllConnections();
proxy.close();
process.exit();
