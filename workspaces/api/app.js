// What the API answers, as plain functions: a query in, a value out. How that becomes HTTP is at the end.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:http';

// The caller's mistake, and what to do about it.
class Mistake extends Error {}

function whole(query, name, usual, least, most) {
  const text = query.get(name) ?? String(usual);
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new Mistake(`${name} is a whole number from ${least} to ${most}, and not ${JSON.stringify(text)}`);
  }
  return number;
}

function time(query, now) {
  const zone = query.get('zone') ?? 'UTC';
  try {
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'full', timeStyle: 'long' });
    return { time: now.toISOString(), zone, local: local.format(now) };
  } catch {
    throw new Mistake(`${JSON.stringify(zone)} is no time zone, as "Europe/Zurich" is`);
  }
}

function dice(query) {
  const [sides, count] = [whole(query, 'sides', 6, 2, 1000), whole(query, 'count', 1, 1, 100)];
  const rolls = Array.from({ length: count }, () => randomInt(sides) + 1);
  return { sides, rolls, sum: rolls.reduce((sum, roll) => sum + roll, 0) };
}

export function app({ greeting = 'Hello', clock = () => new Date() } = {}) {
  const started = clock();
  const routes = {
    // Relative, so that they are right wherever this is served: the platform takes the prefix off.
    '/': () => ({ name: 'api', endpoints: ['health', 'hello?name=you', 'time?zone=Europe/Zurich', 'dice?sides=6&count=2'] }),
    '/health': () => ({ status: 'ok', uptime_seconds: Math.round((clock() - started) / 1000) }),
    '/hello': (query) => ({ message: `${greeting}, ${query.get('name') ?? 'world'}` }),
    '/time': (query) => time(query, clock()),
    '/dice': dice,
  };

  function answer(method, { pathname, searchParams }) {
    const route = Object.hasOwn(routes, pathname) && routes[pathname];
    if (!route) return [404, { error: `there is no ${pathname}`, endpoints: routes['/']().endpoints }];
    if (method !== 'GET' && method !== 'HEAD') return [405, { error: `${pathname} takes GET, and not ${method}` }];
    try {
      return [200, route(searchParams)];
    } catch (error) {
      if (error instanceof Mistake) return [400, { error: error.message }];
      throw error;
    }
  }

  return createServer((request, response) => {
    const [status, value] = answer(request.method, new URL(`http://localhost${request.url}`));
    const body = JSON.stringify(value) + '\n';
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(status === 405 && { allow: 'GET, HEAD' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
}
