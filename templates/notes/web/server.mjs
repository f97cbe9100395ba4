// Shows the notes and takes new ones. It works without JavaScript in the browser, and its form leads to where the page is.
import { createServer } from 'node:http';

const db = process.env.DB;
const longest = 2000;

const escaped = (text) =>
  text.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]);

const page = (notes) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{workspace}}</title>
<h1>{{workspace}}</h1>
<form method="post">
  <label>A note: <input name="text" maxlength="${longest}" required></label>
  <button>Keep it</button>
</form>
<ul>
${notes.map((note) => `  <li>${escaped(note.text)}</li>`).join('\n')}
</ul>
</html>
`;

async function body(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > longest * 10) throw new Error('the note is too long');
  }
  return new URLSearchParams(text);
}

async function notes() {
  const answer = await fetch(`${db}/notes`);
  if (!answer.ok) throw new Error(`the database answered ${answer.status}`);
  return answer.json();
}

async function keep(text) {
  const answer = await fetch(`${db}/notes`, { method: 'POST', body: JSON.stringify({ text }) });
  if (!answer.ok) throw new Error(`the database answered ${answer.status}`);
}

const server = createServer(async (request, response) => {
  try {
    if (request.method === 'POST') {
      const text = (await body(request)).get('text')?.trim().slice(0, longest);
      if (text) await keep(text);
      // Back to the page, wherever that is.
      response.writeHead(303, { location: './' }).end();
    } else {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(page(await notes()));
    }
  } catch (error) {
    console.error(error);
    response.statusCode = 502;
    response.end('The notes cannot be reached. Try again in a moment.\n');
  }
});

server.listen(process.env.PORT ?? 3000);

process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
