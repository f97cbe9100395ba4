// The landing page: every visit shows what is live now. It works without JavaScript; with it, an open page follows.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { catalogue } from './catalogue.js';
import { landing, nothing } from './page.js';

const FILES = {
  '/style.css': 'text/css; charset=utf-8',
  '/live.js': 'text/javascript; charset=utf-8',
  '/icon.svg': 'image/svg+xml',
};

const HEADERS = {
  // Nothing from elsewhere, nothing inline, nobody around it.
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // It may be kept, but not shown without asking.
  'cache-control': 'no-cache',
};

export async function app({ socketPath } = {}) {
  const now = catalogue(socketPath);
  const files = new Map();
  for (const path of Object.keys(FILES)) files.set(path, await readFile(new URL(`.${path}`, import.meta.url)));

  return createServer(async (request, response) => {
    const path = request.url.split('?')[0];
    const answer = (status, kind, body) => {
      response.writeHead(status, { ...HEADERS, 'content-type': kind, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    const page = 'text/html; charset=utf-8';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return answer(405, 'text/plain', 'Only GET and HEAD.\n');
    }
    if (path === '/') return answer(200, page, landing(await now(), request.headers.host ?? ''));
    if (files.has(path)) return answer(200, FILES[path], files.get(path));
    answer(404, page, nothing('../'.repeat(path.split('/').length - 2) || './'));
  });
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const server = await app({ socketPath: process.env.CLOUDYKNIGHT_API_SOCKET });
  server.listen(process.env.PORT ?? 3000);
  // What is being answered is finished before it ends.
  process.on('SIGTERM', () => {
    server.close();
    server.closeIdleConnections();
  });
}
