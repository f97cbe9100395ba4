// All that the page knows, in one place. Whoever changes it says so by `changed`, and the page is drawn once for all
// that changed within a frame.

const LONGEST_JOURNAL = 1_000;
// About three minutes of traffic.
const SAMPLES = 60;

export const state = {
  me: undefined,
  // 'connecting', 'live', or 'waiting' until `retryAt`.
  connection: { is: 'connecting', why: undefined, retryAt: undefined },
  platform: undefined,
  // How far this machine's clock is behind the platform's.
  ahead: 0,
  // Whether every workspace was heard of since the start.
  ready: false,
  outdated: false,
  workspaces: new Map(),
  // What was asked for and has not begun to show.
  wishes: new Map(),
  stats: new Map(),
  edge: undefined,
  rates: new Map(),
  storage: undefined,
  journal: [],
  changes: new Map(),
  queue: undefined,
  letters: undefined,
};

let statsAt;
const listeners = new Set();
let drawn = true;

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function changed() {
  if (!drawn) return;
  drawn = false;
  // A hidden page gets no frames, and needs none.
  requestAnimationFrame(() => {
    drawn = true;
    for (const listener of listeners) listener();
  });
}

// The platform's time.
export const now = () => Date.now() + state.ahead;

export function setWorkspace(status) {
  const before = state.workspaces.get(status.workspace);
  state.workspaces.set(status.workspace, status);
  const wish = state.wishes.get(status.workspace);
  if (wish && before?.updated_at !== status.updated_at) {
    // What is told before the answer may be of something else, or already of this.
    wish.isHeardOf = true;
    if (wish.isAnswered) state.wishes.delete(status.workspace);
  }
  return before;
}

export function addJournal(entries) {
  const known = new Set(state.journal.map((entry) => entry.id));
  const fresh = entries.filter((entry) => !known.has(entry.id));
  state.journal = [...fresh, ...state.journal].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, LONGEST_JOURNAL);
}

// What was measured, and what follows from two measurements: requests and errors a second.
export function setStats(told) {
  const at = Date.parse(told.at);
  for (const one of told.workspaces) {
    const before = state.stats.get(one.workspace);
    if (before?.traffic && one.traffic) sample(one.workspace, before, one, (at - statsAt) / 1_000);
  }
  statsAt = at;
  state.stats = new Map(told.workspaces.map((one) => [one.workspace, same(state.stats.get(one.workspace), one)]));
  state.edge = told.edge;
}

export function setStorage(told) {
  told.workspaces = told.workspaces.map((one) => same(storageOf(one.workspace), one));
  state.storage = told;
}

// What is as it was stays the same object, so that nobody draws it again.
const same = (before, after) => (JSON.stringify(before) === JSON.stringify(after) ? before : after);

function sample(name, before, after, seconds) {
  const requests = after.traffic.requests - before.traffic.requests;
  // Counted anew since the edge restarted: nothing can be said of the time in between.
  if (seconds <= 0 || requests < 0) return;
  const errors = failures(after.traffic) - failures(before.traffic);
  const samples = state.rates.get(name) ?? [];
  samples.push({ requests: requests / seconds, errors: Math.max(0, errors) / seconds });
  if (samples.length > SAMPLES) samples.shift();
  state.rates.set(name, samples);
}

// What visitors saw go wrong that was no fault of theirs.
export const failures = (traffic) => traffic.answers[4] ?? 0;

export const rateOf = (name) => state.rates.get(name)?.at(-1);
export const storageOf = (name) => state.storage?.workspaces.find((one) => one.workspace === name);
