// A deployment from the first put to the last request of what it replaced: what came after what, and how long each took.
import { h, hidden } from './dom.js';
import { now } from './state.js';
import { duration } from './words.js';

const STEPS = {
  list: ['Listed', 'the bucket'],
  settle: ['Settled', 'until it was quiet'],
  fetch: ['Fetched', 'the source, into memory'],
  dependencies: ['Dependencies', 'in a clean container'],
  build: ['Built', 'an image of the source'],
  pull: ['Pulled', 'an image'],
  start: ['Started', 'new containers'],
  check: ['Healthy', 'by the health check'],
  keep: ['Kept', 'the release, to go back to'],
  switch: ['Switched', 'the traffic, in one step'],
  sync: ['Synced', 'files into what runs'],
  restart: ['Restarted', 'in place'],
  drain: ['Drained', 'the old containers'],
};
// From one point to the next, on the way to the agent.
const WAY = [
  ['notified_at', 'Notified', 'by the bucket'],
  ['decided_at', 'Decided', 'what it means'],
  ['received_at', 'Received', 'by the agent'],
];

// The rows in order, `from` and `to` in milliseconds since the first. What runs ends now.
export function rowsOf(deployment, at) {
  const started = Date.parse(deployment.started_at);
  const origin = deployment.origin ?? {};
  const rows = [];
  let last;
  if (origin.put_at) {
    last = Date.parse(origin.put_at);
    rows.push({ key: 'put', label: 'Object put', what: 'the last one of the push', from: last, to: last });
  }
  for (const [key, label, what] of WAY) {
    if (!origin[key]) continue;
    const to = Date.parse(origin[key]);
    // Two clocks may be a little apart.
    rows.push({ key, label, what, from: Math.min(last ?? to, to), to });
    last = to;
  }
  for (const [index, step] of deployment.steps.entries()) {
    const [label, what] = STEPS[step.name] ?? [step.name, ''];
    const from = started + step.at_ms;
    const open = step.took_ms === null || step.took_ms === undefined;
    const running = open && goesOn(deployment, step, at);
    const ended = running ? at : Date.parse(deployment.finished_at ?? deployment.started_at);
    const to = open ? Math.max(from, ended) : from + step.took_ms;
    rows.push({ key: `${index}-${step.name}`, label, what, from, to, running, failed: open && !running });
  }
  const begin = Math.min(started, ...rows.map((row) => row.from));
  for (const row of rows) {
    row.from -= begin;
    row.to -= begin;
  }
  const total = Math.max(1, ...rows.map((row) => row.to));
  return { rows, total, begin };
}

// A deployment is over when it is live, and yet its old containers finish what they carry.
const LONGEST_DRAIN_MS = 120_000;

function goesOn({ finished_at: finished }, step, at) {
  if (!finished) return true;
  return step.name === 'drain' && at - Date.parse(finished) < LONGEST_DRAIN_MS;
}

export function isRunning(deployment) {
  if (!deployment) return false;
  const last = deployment.steps.at(-1);
  return deployment.outcome.result === 'running' || (last?.took_ms === null && goesOn(deployment, last, now()));
}

export function waterfall(deployment) {
  const { rows, total } = rowsOf(deployment, now());
  if (rows.length === 0) return h('p', { class: 'faint' }, 'It has not begun.');
  const share = (ms) => `${((ms / total) * 100).toFixed(2)}%`;
  return h(
    'div',
    { class: 'waterfall' },
    h('div', { class: 'axis', 'aria-hidden': 'true' }, [0, 0.25, 0.5, 0.75, 1].map((part) => h('span', { style: { left: `${part * 100}%` } }, part === 0 ? '0' : duration(total * part)))),
    h(
      'ol',
      {},
      rows.map((row) =>
        h(
          'li',
          { 'data-key': row.key, class: row.running ? 'running' : row.failed ? 'failed' : undefined },
          h('span', { class: 'label' }, row.label, h('span', { class: 'what' }, row.what)),
          h('span', { class: 'track', 'aria-hidden': 'true' }, h('span', { class: `bar ${row.key.replace(/^\d+-/, '')}`, style: { left: share(row.from), width: share(row.to - row.from) } })),
          h('span', { class: 'took' }, row.key === 'put' ? hidden('at the beginning') : duration(row.to - row.from), row.running && hidden(' so far')),
        ),
      ),
    ),
    h('p', { class: 'total' }, rows.some((row) => row.running) ? 'So far ' : 'All in all ', h('strong', {}, duration(total))),
  );
}
