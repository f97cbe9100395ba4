// The API behind the page: requests go on with the session as a bearer token, answers come back as they are written,
// chunk by chunk, as fast as the slower side takes them. The cookie stays here.
import { pipeline } from 'node:stream';
import { constants, createGzip } from 'node:zlib';

import { dataHeaders } from './answers.js';
import { version } from './files.js';
import { ask } from './platform.js';
import { forget } from './sessions.js';
import { addresses, unreachable } from './sign-in.js';

const SENT_ON = ['accept', 'content-type', 'content-length', 'last-event-id'];
const SENT_BACK = ['content-type', 'retry-after', 'content-disposition'];
// Text in many small pieces, most of them alike.
const WORTH_PACKING = /^(application\/json|text\/plain|text\/event-stream)/;
const SMALLEST_PACKED = 1_024;

export function forward(request, response, path, token) {
  const asked = ask(request.method, path, { token, headers: { ...pick(request.headers, SENT_ON), ...addresses(request) } });
  // Whoever goes away in the middle ends it on the other side, too.
  response.on('close', () => asked.destroy());
  asked.on('error', () => (response.headersSent ? response.destroy() : unreachable(response)));
  asked.on('response', (answer) => {
    if (answer.statusCode === 401) forget(token);
    sendBack(request, response, answer);
  });
  pipeline(request, asked, () => {});
}

function sendBack(request, response, answer) {
  const headers = { ...dataHeaders, ...pick(answer.headers, SENT_BACK), 'x-monitor-version': version };
  const length = answer.headers['content-length'];
  const done = (error) => error && response.destroy();
  if (isPacked(request, answer, length)) {
    headers['content-encoding'] = 'gzip';
    headers.vary = 'accept-encoding';
    response.writeHead(answer.statusCode, headers);
    response.flushHeaders();
    // Flushed at each chunk, because somebody watches it come.
    return pipeline(answer, createGzip({ flush: constants.Z_SYNC_FLUSH }), response, done);
  }
  if (length !== undefined) headers['content-length'] = length;
  response.writeHead(answer.statusCode, headers);
  response.flushHeaders();
  pipeline(answer, response, done);
}

// Only what is read: nothing that is told once, as a new token is, goes through a packer together with other text.
function isPacked(request, answer, length) {
  return (
    request.method === 'GET' &&
    answer.statusCode === 200 &&
    /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') &&
    WORTH_PACKING.test(answer.headers['content-type'] ?? '') &&
    (length === undefined || Number(length) >= SMALLEST_PACKED)
  );
}

function pick(headers, names) {
  return Object.fromEntries(names.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]]));
}
