// The dashboard's server. A browser that is not signed in gets the sign-in page and nothing else; one that is gets the
// page, and the platform's API below `api/v1/`, with its session in the place of its cookie. Nothing is kept here: a
// session lives in the platform, and every answer comes from there.
import { createServer } from 'node:http';

import { answer, problem, tell } from './server/answers.js';
import { assets, page, signInPage } from './server/files.js';
import { comesFromElsewhere, isForged } from './server/gate.js';
import { forward } from './server/forward.js';
import { signIn, signOut, unreachable } from './server/sign-in.js';
import { cookieOf, isKnown } from './server/sessions.js';

const port = process.env.PORT ?? 3000;

async function serve(request, response) {
  const { pathname, search } = new URL(`http://monitor${request.url}`);
  const reads = request.method === 'GET' || request.method === 'HEAD';

  if (isForged(request)) return problem(response, 403, 'this request does not come from the dashboard’s own page');
  if (pathname === '/sign-in' && request.method === 'POST') return signIn(request, response);
  if (pathname === '/sign-out' && request.method === 'POST') return signOut(request, response);
  if (reads && signInPage.has(pathname)) return answer(request, response, signInPage.get(pathname));

  const token = cookieOf(request);
  // Undefined where there is a session, and nobody who could say whether it is one.
  const known = token === undefined ? false : await isKnown(token);
  if (reads && pathname === '/session') return tell(response, { signed_in: known === true });
  if (reads && pathname === '/') return answer(request, response, known ? page : signInPage.get('/sign-in'));
  if (known === undefined) return unreachable(response);
  if (!known) return problem(response, 401, 'nobody is signed in');
  if (pathname.startsWith('/api/v1/')) {
    if (comesFromElsewhere(request)) return problem(response, 403, 'the API is not for pages of other sites');
    return forward(request, response, pathname + search, token);
  }
  if (reads && assets.has(pathname)) return answer(request, response, assets.get(pathname));
  return problem(response, reads ? 404 : 405, 'there is nothing here');
}

const server = createServer((request, response) => {
  serve(request, response).catch((error) => {
    console.error(`${request.method} failed: ${error.message}`);
    if (response.headersSent) response.destroy();
    else problem(response, error instanceof TypeError ? 400 : 500, 'this request could not be answered');
  });
});
// An upload may take as long as it takes; what comes before it may not.
server.requestTimeout = 0;
server.headersTimeout = 15_000;

server.listen(port, () => console.log(`monitor listens on ${port}`));

// Streams never end by themselves. The pages that hold them open come back at once, to whoever serves then.
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
