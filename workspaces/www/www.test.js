import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { landing } from './page.js';
import { app } from './server.js';

const listed = (more) => ({
  name: 'shop',
  title: 'Shop',
  description: null,
  icon: null,
  url: 'http://localhost:8080/shop/',
  path: '/shop/',
  ...more,
});

const shown = (app, host = 'localhost:8080') => landing({ workspaces: [listed(app)], at: new Date(), error: null }, host);

test('what workspaces say of themselves is text and never markup', () => {
  const hostile = '"><img src=x onerror=alert(1)><script>alert(1)</script>';
  const page = shown({ title: hostile, description: hostile, icon: hostile, path: `/${hostile}` });
  assert.ok(!page.includes('<img src=x') && !page.includes('<script>alert'), page);
  assert.ok(page.includes('&lt;script&gt;alert(1)&lt;/script&gt;'));
});

test('an app is linked below the address that the visitor came by, but not from the host name of www', () => {
  assert.ok(shown({}, '192.168.1.5:8080').includes('href="/shop/"'));
  assert.ok(shown({}, 'www.localhost:8080').includes('href="http://localhost:8080/shop/"'));
  assert.ok(shown({ path: null, url: 'https://shop.example/' }).includes('href="https://shop.example/"'));
  assert.ok(!shown({ path: null, url: 'javascript:alert(1)' }).includes('javascript'));
  assert.ok(shown({ path: '//elsewhere.example/' }).includes('href="http://localhost:8080/shop/"'));
});

test('a picture is shown if it is of the same address, and a letter in its place otherwise', () => {
  const icon = 'http://localhost:8080/shop/img/a.svg';
  assert.ok(shown({ icon }).includes('<img src="/shop/img/a.svg"'));
  assert.ok(!shown({ icon }, 'www.localhost:8080').includes('<img'));
  assert.ok(shown({ icon: '🛒' }).includes('>🛒</span>'));
  assert.ok(shown({}).includes('>S</span>'));
});

let folder, platform, server, url, answer;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'www-'));
  const socketPath = join(folder, 'api.sock');
  platform = createServer((request, response) => answer(request, response)).listen(socketPath);
  server = (await app({ socketPath })).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${server.address().port}`;
});

after(async () => {
  server.close();
  platform.close();
  await rm(folder, { recursive: true });
});

// Longer than an answer of the platform counts as fresh.
const later = () => new Promise((resolve) => setTimeout(resolve, 1100));

test('each visit shows what is live now, and when the platform is silent, what it said last', async () => {
  const read = async () => (await fetch(url)).text();
  answer = (_, response) => response.writeHead(503).end();
  assert.match(await read(), /does not say what is live\./);
  await later();
  answer = (request, response) => {
    assert.equal(request.url, '/api/v1/catalogue');
    response.end(JSON.stringify({ workspaces: [listed({ title: 'The shop' })] }));
  };
  const page = await read();
  assert.match(page, /The shop/);
  assert.doesNotMatch(page, /does not say/);
  await later();
  answer = (_, response) => response.destroy();
  assert.match(await read(), /does not say what is live; this is what it said at[^]*The shop/);
  await later();
  answer = (_, response) => response.end('{"workspaces": []}');
  assert.match(await read(), /Nothing yet/);
});

test('everything else is not here, and leads back from any depth', async () => {
  const get = async (path, options) => {
    const response = await fetch(url + path, options);
    return [response.status, await response.text()];
  };
  const [status, page] = await get('/a/b/c');
  assert.equal(status, 404);
  assert.match(page, /href="\.\.\/\.\.\/style\.css"/);
  assert.equal((await get('/style.css'))[0], 200);
  assert.equal((await get('/../server.js'))[0], 404);
  assert.equal((await get('/', { method: 'POST' }))[0], 405);
  assert.deepEqual(await get('/', { method: 'HEAD' }), [200, '']);
});
