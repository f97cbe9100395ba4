// Signing in: a token, or a name and a password, for a session of the platform, which becomes a cookie that no script
// can read. Signing out ends the session in the platform too.
import { dataHeaders, problem } from './answers.js';
import { exchange } from './platform.js';
import { cookie, cookieOf, forget, isToken } from './sessions.js';

const LARGEST_BODY = 4_096;
const SLOWEST_BODY_MS = 10_000;

export async function signIn(request, response) {
  const given = await readJson(request);
  if (given === undefined) return problem(response, 400, 'that is no sign-in');
  const { token, name, password } = given ?? {};
  const body = typeof token === 'string' ? { token } : { name: String(name ?? ''), password: String(password ?? '') };
  const headers = addresses(request);
  const { status, headers: told, json } = await exchange('POST', '/api/v1/sessions', { body, headers });
  if (status === undefined) return unreachable(response);
  if (status !== 201 || !isToken(json?.session)) {
    if (told['retry-after']) response.setHeader('retry-after', told['retry-after']);
    return problem(response, status === 201 ? 502 : status, json?.detail ?? 'the platform refused', json?.hint);
  }
  const seconds = Math.max(60, Math.floor((Date.parse(json.expires_at) - Date.now()) / 1_000) || 43_200);
  response.writeHead(204, { ...dataHeaders, 'set-cookie': cookie(request, json.session, seconds) }).end();
}

export async function signOut(request, response) {
  const token = cookieOf(request);
  if (token) {
    await exchange('DELETE', '/api/v1/sessions/current', { token });
    forget(token);
  }
  response.writeHead(204, { ...dataHeaders, 'set-cookie': cookie(request, '', 0) }).end();
}

export function unreachable(response) {
  problem(response, 502, 'the platform’s agent does not answer', 'what is live stays live; this page tries again by itself');
}

// Who asks, as the edge says it: those who guess are slowed down, and not everybody with them.
export function addresses(request) {
  const from = request.headers['x-real-ip'];
  return from ? { 'x-forwarded-for': from } : {};
}

// Undefined for what is too much, too slow or no JSON.
function readJson(request) {
  return new Promise((resolve) => {
    const chunks = [];
    let length = 0;
    const end = (value) => {
      clearTimeout(patience);
      resolve(value);
    };
    const patience = setTimeout(() => end(undefined), SLOWEST_BODY_MS);
    request.on('data', (chunk) => {
      length += chunk.length;
      if (length <= LARGEST_BODY) chunks.push(chunk);
      else end(undefined);
    });
    request.on('error', () => end(undefined));
    request.on('end', () => {
      try {
        end(JSON.parse(Buffer.concat(chunks).toString()));
      } catch {
        end(undefined);
      }
    });
  });
}
