// The line to the platform, kept up for as long as the page is open: everything that changes comes by it. When it breaks,
// the page says so, and tries again: at once, and then with growing pauses.
import { read, send } from './api.js';
import { seesPlatform } from './may.js';
import { say } from './say.js';
import { events } from './sse.js';
import { addJournal, changed, setStats, setStorage, setWorkspace, state } from './state.js';
import { OUTCOMES, short } from './words.js';

// A line that carries nothing for so long, not even the comments that keep it alive, is dead.
const SILENCE_MS = 40_000;
// One that ends sooner is no line.
const SHORTEST_MS = 5_000;
const PAUSES_MS = [250, 1_000, 2_000, 4_000, 8_000, 15_000];
const STATS_MS = 3_000;
const STORAGE_MS = 60_000;

let tries = 0;
let lastId;
let line;
let hurry = () => {};

export function goLive() {
  whoAmI();
  keep();
  poll(stats, STATS_MS);
  poll(storage, STORAGE_MS);
  addEventListener('online', () => hurry());
  document.addEventListener('visibilitychange', () => document.hidden || hurry());
}

// Gives the line up for another one, as when this page's own server is replaced.
export const renew = () => line?.abort();

async function keep() {
  for (;;) {
    line = new AbortController();
    let why;
    let ended = false;
    const began = Date.now();
    try {
      await listen(line);
      ended = Date.now() - began > SHORTEST_MS;
    } catch (error) {
      why = error.status === 403 ? error.message : undefined;
    }
    // Now and then the platform ends a line, to be asked again: that is no loss.
    if (ended && state.connection.is === 'live') {
      tries += 1;
      continue;
    }
    const pause = PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] * (0.75 + Math.random() / 2);
    const wasLive = state.connection.is === 'live';
    state.connection = { is: 'waiting', why, retryAt: Date.now() + pause };
    if (wasLive) say('The connection is lost. Reconnecting.');
    tries += 1;
    changed();
    await new Promise((resolve) => {
      hurry = resolve;
      setTimeout(resolve, pause);
    });
    state.connection = { ...state.connection, is: 'connecting' };
    changed();
  }
}

async function listen(controller) {
  let patience;
  const alive = () => {
    clearTimeout(patience);
    patience = setTimeout(() => controller.abort(), SILENCE_MS);
  };
  alive();
  try {
    const headers = { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) };
    const answer = await send('GET', 'events', { headers, signal: controller.signal });
    state.outdated = answer.headers.get('x-monitor-version') !== version();
    const heard = new Set();
    for await (const event of events(answer.body, alive)) {
      if (event.id) lastId = event.id;
      hear(event.type, JSON.parse(event.data), heard);
      changed();
    }
  } finally {
    clearTimeout(patience);
    controller.abort();
  }
}

// The folder that this very file came from.
const version = () => new URL('..', import.meta.url).pathname.split('/').at(-2);

function hear(type, data, heard) {
  switch (type) {
    case 'hello':
      state.platform = data.version;
      state.ahead = Date.parse(data.now) - Date.now();
      return;
    case 'workspace':
      heard.add(data.workspace);
      notice(setWorkspace(data), data);
      return;
    case 'ready':
      for (const name of state.workspaces.keys()) if (!heard.has(name)) state.workspaces.delete(name);
      if (state.connection.is !== 'live' && state.ready) say('Connected again.');
      state.ready = true;
      state.connection = { is: 'live' };
      tries = 0;
      return void catchUp();
    case 'journal':
      if (data.kind === 'gave_up') lettersAgain();
      return addJournal([data]);
    case 'queue':
      state.queue = data;
      return;
    case 'changes':
      state.changes.set(data.workspace, { ...data, at: new Date(Date.now() + state.ahead).toISOString() });
  }
}

async function whoAmI() {
  state.me = await read('me').catch(() => state.me);
  changed();
}

// What was missed, or was before.
export async function catchUp() {
  if (!state.me) await whoAmI();
  const [journal] = await Promise.all([read('journal?limit=200').catch(() => undefined), lettersAgain()]);
  if (journal) addJournal(journal.entries);
  changed();
}

export async function lettersAgain() {
  if (!seesPlatform()) return;
  const told = await read('dead-letters').catch(() => undefined);
  if (told) state.letters = told.dead_letters;
  changed();
}

// What is worth saying to those who do not look: how a deployment ended.
function notice(before, status) {
  const deployment = status.deployment;
  const ended = deployment?.finished_at && before && before.deployment?.outcome.result !== deployment.outcome.result;
  if (!ended) return;
  say(`${status.workspace}: deployment ${OUTCOMES[deployment.outcome.result]?.[0].toLowerCase()}, release ${short(deployment.release)}`);
  soon(storage);
  // Its own server was replaced: the new one is asked from now on.
  const here = new URL('.', location.href).href;
  if (deployment.outcome.result === 'live' && status.urls.some((url) => here === url || here === `${url}/`)) setTimeout(renew, 500);
}

async function stats() {
  setStats(await read('stats'));
}

async function storage() {
  setStorage(await read('storage'));
}

// While somebody looks.
function poll(look, pause) {
  const again = async () => {
    if (!document.hidden && state.connection.is === 'live') await look().then(changed, () => {});
    setTimeout(again, state.connection.is === 'live' ? pause : 200);
  };
  again();
}

const soon = (look) => setTimeout(() => look().then(changed, () => {}), 1_000);
