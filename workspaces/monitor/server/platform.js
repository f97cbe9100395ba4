// The platform's API, by the socket that the platform gives to this workspace.
import { request } from 'node:http';

const socketPath = process.env.CLOUDYKNIGHT_API_SOCKET ?? '/run/cloudyknight/api.sock';

// Begins a request; its body is the caller's to send. Each has a connection of its own: the next one may lead to another
// agent, and connecting to a socket costs nothing. It is ended from here: whoever answers before having read all of a body
// would otherwise cut its own answer off.
export function ask(method, path, { token, headers = {} } = {}) {
  const own = { host: 'localhost', connection: 'keep-alive', ...(token && { authorization: `Bearer ${token}` }) };
  return request({ socketPath, agent: false, method, path, headers: { ...headers, ...own } });
}

// A whole exchange of small JSON documents. `status` is undefined while the platform's agent does not answer.
export function exchange(method, path, { token, body, headers } = {}) {
  return new Promise((resolve) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const length = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const asked = ask(method, path, { token, headers: { ...headers, ...length } });
    const gone = () => resolve({ status: undefined });
    asked.setTimeout(10_000, () => asked.destroy());
    asked.on('error', gone);
    asked.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', gone);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, json: parse(chunks) }));
    });
    asked.end(text);
  });
}

function parse(chunks) {
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return undefined;
  }
}
