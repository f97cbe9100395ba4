// Who is signed in, as far as the browser's cookie and the platform's word go. The platform's word is remembered for a
// few seconds, and for as long as the platform's agent does not answer: a page is served while the agent restarts.
import { createHash } from 'node:crypto';

import { exchange } from './platform.js';

const FRESH_MS = 10_000;
const MOST_REMEMBERED = 1_000;

// By a digest, so that no token lies around.
const remembered = new Map();

// Undefined where the platform does not say.
export async function isKnown(token) {
  const key = digest(token);
  const known = remembered.get(key);
  if (known && Date.now() - known.at < FRESH_MS) return true;
  const { status, json } = await exchange('GET', '/api/v1/me', { token });
  if (status === 200) {
    remember(key, json);
    return true;
  }
  if (status === 401 || status === 403) {
    remembered.delete(key);
    return false;
  }
  return known && Date.now() < known.until ? true : undefined;
}

export function forget(token) {
  remembered.delete(digest(token));
}

function remember(key, me) {
  remembered.delete(key);
  remembered.set(key, { at: Date.now(), until: me?.expires_at ? Date.parse(me.expires_at) : Infinity });
  if (remembered.size > MOST_REMEMBERED) remembered.delete(remembered.keys().next().value);
}

function digest(token) {
  return createHash('sha256').update(token).digest('base64');
}

export function cookieOf(request) {
  const name = cookieName(request);
  const crumbs = (request.headers.cookie ?? '').split(';').map((crumb) => crumb.trim());
  const crumb = crumbs.find((one) => one.startsWith(`${name}=`));
  const value = crumb?.slice(name.length + 1);
  return value && isToken(value) ? value : undefined;
}

// Without a path: the browser takes that of the request, which is the folder that the page lies in as the browser sees
// it, whatever prefix led here.
export function cookie(request, value, seconds) {
  const secure = isSecure(request) ? '; Secure' : '';
  return `${cookieName(request)}=${value}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}

// Only what can stand in a cookie and in a header as it is.
export function isToken(text) {
  return typeof text === 'string' && /^[\w.~+/=-]{8,512}$/.test(text);
}

// Cookies do not tell ports apart, and two platforms on one machine differ in nothing else.
function cookieName(request) {
  const port = /:(\d+)$/.exec(request.headers['x-forwarded-host'] ?? request.headers.host ?? '')?.[1];
  return `${isSecure(request) ? '__Secure-' : ''}cloudyknight${port ? `-${port}` : ''}`;
}

function isSecure(request) {
  return request.headers['x-forwarded-proto'] === 'https';
}
