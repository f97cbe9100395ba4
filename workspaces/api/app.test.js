import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { app } from './app.js';

let server, now = new Date('2026-01-02T03:04:05Z');

before(() => new Promise((resolve) => {
  server = app({ greeting: 'Hi', clock: () => now }).listen(0, '127.0.0.1', resolve);
}));

after(() => server.close());

async function get(path, options) {
  const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, options);
  const text = await response.text();
  return [response.status, text && JSON.parse(text)];
}

test('it greets whoever says their name, and the world otherwise', async () => {
  assert.deepEqual(await get('/hello'), [200, { message: 'Hi, world' }]);
  assert.deepEqual(await get('/hello?name=J%C3%BCrg'), [200, { message: 'Hi, Jürg' }]);
});

test('the time is told in any zone that there is', async () => {
  const [status, told] = await get('/time?zone=Europe/Zurich');
  assert.deepEqual([status, told.time, told.zone], [200, '2026-01-02T03:04:05.000Z', 'Europe/Zurich']);
  assert.match(told.local, /2 January 2026.*04:04:05/);
  assert.deepEqual(await get('/time?zone=Moon'), [400, { error: '"Moon" is no time zone, as "Europe/Zurich" is' }]);
});

test('dice have as many sides as asked for', async () => {
  const [status, { rolls, sum }] = await get('/dice?sides=3&count=50');
  assert.equal(status, 200);
  assert.equal(rolls.length, 50);
  assert.ok(rolls.every((roll) => roll >= 1 && roll <= 3));
  assert.equal(sum, rolls.reduce((a, b) => a + b));
  for (const query of ['sides=1', 'sides=six', 'sides=', 'count=101', 'count=1.5']) {
    assert.equal((await get(`/dice?${query}`))[0], 400, query);
  }
});

test('what it says of itself leads to what answers', async () => {
  const [, { endpoints }] = await get('/');
  for (const endpoint of endpoints) assert.equal((await get(`/${endpoint}`))[0], 200, endpoint);
});

test('what is not there and what is not allowed are told apart', async () => {
  assert.equal((await get('/nothing'))[0], 404);
  assert.equal((await get('/constructor'))[0], 404);
  assert.equal((await get('/hello', { method: 'POST' }))[0], 405);
  assert.deepEqual(await get('/hello', { method: 'HEAD' }), [200, '']);
});

test('it is healthy since it was started', async () => {
  now = new Date('2026-01-02T03:05:05Z');
  assert.deepEqual(await get('/health'), [200, { status: 'ok', uptime_seconds: 60 }]);
});
