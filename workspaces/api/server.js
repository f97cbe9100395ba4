// A small JSON API without dependencies. The platform takes the prefix /api off before a request arrives here.
import { createServer } from 'node:http';

const port = process.env.PORT ?? 3000;
const greeting = process.env.GREETING ?? 'Hello';
const started = Date.now();

const routes = {
  '/': () => ({ name: 'api', endpoints: Object.keys(routes) }),
  '/health': () => ({ status: 'ok', uptime_seconds: Math.round((Date.now() - started) / 1000) }),
  '/time': () => ({ time: new Date().toISOString() }),
  '/hello': (query) => ({ message: `${greeting}, ${query.get('name') ?? 'world'}` }),
};

const server = createServer((request, response) => {
  const url = new URL(`http://localhost${request.url}`);
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  const allowed = request.method === 'GET' || request.method === 'HEAD';
  const [status, body] = !route
    ? [404, { error: `no such endpoint: ${url.pathname}` }]
    : !allowed
      ? [405, { error: `${request.method} is not supported` }]
      : [200, route(url.searchParams)];

  response.writeHead(status, { 'content-type': 'application/json', ...(status === 405 && { allow: 'GET, HEAD' }) });
  response.end(JSON.stringify(body) + '\n');
});

server.listen(port, () => console.log(`api listens on ${port}`));

// What is being answered is finished; then there is nothing left that would keep node alive.
process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
