// The platform's API, as the page's own server passes it on. Every address is relative: the page may lie below any
// prefix.

// What the platform said it would not or could not do, with what to do about it.
export class Problem extends Error {
  constructor(status, { detail, hint } = {}) {
    super(detail ?? `the platform answered ${status}`);
    this.status = status;
    this.hint = hint;
  }
}

const MOST_TRIES = 3;
const PAUSE_MS = 200;
const OWN = { 'x-requested-by': 'monitor' };

export async function send(method, path, { body, headers, signal } = {}) {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await insist(method, () => fetch(`api/v1/${path}`, { method, body: text, signal, headers: { ...OWN, ...json, ...headers } }));
  if (answer.ok) return answer;
  // Whoever was signed out is shown where to sign in, and comes back here.
  if (answer.status === 401) location.reload();
  throw new Problem(answer.status, await answer.json().catch(() => undefined));
}

// What only reads is asked for again when it does not come through: Chromium gives up on what is under way whenever a
// network of the machine changes, and on the platform's own machine each deployment changes one.
async function insist(method, ask) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (method !== 'GET' || tries === MOST_TRIES || error.name === 'AbortError') throw error;
      await new Promise((resolve) => setTimeout(resolve, tries * PAUSE_MS));
    }
  }
}

export async function read(path, options) {
  return (await send('GET', path, options)).json();
}

export async function change(method, path, body) {
  const answer = await send(method, path, { body });
  return answer.status === 204 ? undefined : answer.json().catch(() => undefined);
}

// A file's way up, with how far it is: `fetch` does not tell.
export function upload(path, content, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', `api/v1/${path}`);
    request.setRequestHeader('x-requested-by', OWN['x-requested-by']);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.responseType = 'json';
    request.upload.onprogress = (event) => told(event.loaded, event.total);
    request.onload = () => (request.status < 300 ? resolve(request.response) : reject(new Problem(request.status, request.response ?? {})));
    request.onerror = () => reject(new Error('the upload broke off'));
    request.send(content);
  });
}

export async function signOut() {
  await fetch('sign-out', { method: 'POST', headers: OWN });
  location.reload();
}

export const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '' && value !== false);
  return given.length ? `?${new URLSearchParams(given)}` : '';
};

export const ofWorkspace = (name, rest = '') => `workspaces/${encodeURIComponent(name)}${rest}`;
