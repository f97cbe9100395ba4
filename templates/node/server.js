// Answers at /{{workspace}}/ with the path taken off: here it is just /. Links on the page are relative, so that they are
// right there and at any other address. Packages that package.json names are installed for it.
import { createServer } from 'node:http';

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{workspace}}</title>
<h1>{{workspace}}</h1>
<p>Change <code>server.js</code>, push it, and this page changes. <a href="time">What time is it?</a></p>
</html>
`;

const server = createServer((request, response) => {
  const { pathname } = new URL(`http://localhost${request.url}`);
  if (pathname === '/') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(page);
  } else if (pathname === '/time') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ time: new Date().toISOString() }));
  } else {
    response.statusCode = 404;
    response.end('not found\n');
  }
});

server.listen(process.env.PORT ?? 3000);

// What is being answered is finished before it ends.
process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
