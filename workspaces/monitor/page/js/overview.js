// Every workspace at a glance: what it is, what serves, what it takes, and what is asked of it.
import { cached, h, hidden, link } from './dom.js';
import { icon } from './icons.js';
import { mayAdd, mayChange } from './may.js';
import { avatar, empty, heldOf, loading, meter, release, since, sizes, sparkline, statePill, storageBar } from './parts.js';
import { changed, now, rateOf, state, storageOf } from './state.js';
import { ago, because, bytes, count, percent, rate, STATES } from './words.js';

const ORDER = ['bad', 'warn', 'busy', 'ok', 'idle'];
const tone = (status) => STATES[status.state]?.[1] ?? 'idle';

let sought = '';

export default function overview() {
  return {
    title: () => 'Workspaces',
    draw: () => [head(), !state.ready ? skeleton() : state.workspaces.size === 0 ? nothingYet() : body()],
    does: {
      seek: (_, input) => {
        sought = input.value.trim().toLowerCase();
        changed();
      },
    },
  };
}

function head() {
  return h(
    'div',
    { class: 'head' },
    h('h1', {}, 'Workspaces'),
    h(
      'div',
      { class: 'tools' },
      h('label', { class: 'search' }, hidden('Find a workspace'), icon('search'), h('input', { type: 'search', 'aria-keyshortcuts': 'Control+/', placeholder: 'Find', 'data-input': 'seek', autocomplete: 'off', spellcheck: 'false' })),
      mayAdd() && h('a', { class: 'button primary', href: '#/add' }, icon('plus'), 'Add'),
    ),
  );
}

function body() {
  const all = [...state.workspaces.values()].sort((a, b) => (a.workspace < b.workspace ? -1 : 1));
  const there = all.filter((status) => status.state !== 'removed');
  const gone = all.filter((status) => status.state === 'removed');
  const found = there.filter((status) => `${status.workspace} ${status.about?.title ?? ''} ${status.state}`.toLowerCase().includes(sought));
  return [
    summary(there),
    queue(),
    letters(),
    found.length > 0
      ? table(found)
      : there.length > 0 && empty('Nothing of that name', `None of ${count(there.length, 'workspace')} matches “${sought}”.`),
    there.length === 0 && nothingYet(),
    gone.length > 0 && removed(gone),
  ];
}

function summary(there) {
  return h('div', { class: 'tiles' }, states(there), machine(), traffic(), storage());
}

function states(there) {
  const counts = [];
  for (const kind of ORDER) {
    const those = there.filter((status) => tone(status) === kind);
    if (those.length > 0) counts.push([kind, those.length]);
  }
  const worst = counts[0]?.[0];
  const words = { bad: 'failed', warn: 'degraded', busy: 'being deployed', ok: 'live', idle: 'not running' };
  return h(
    'section',
    { class: 'tile', 'aria-label': 'States' },
    h('h2', {}, worst === 'bad' || worst === 'warn' ? 'Needs a look' : 'All is well'),
    h('p', { class: 'figure' }, there.length, h('span', { class: 'unit' }, there.length === 1 ? ' workspace' : ' workspaces')),
    h('div', { class: 'split', 'aria-hidden': 'true' }, counts.map(([kind, number]) => h('span', { class: kind, style: { 'flex-grow': number } }))),
    h('p', { class: 'note' }, counts.map(([kind, number]) => `${number} ${words[kind]}`).join(' · ')),
  );
}

function machine() {
  const all = [...state.stats.values()];
  const cpu = sum(all, (one) => one.cpu_percent);
  const memory = sum(all, (one) => one.memory_bytes);
  const containers = sum(all, (one) => one.containers.length);
  return h(
    'section',
    { class: 'tile', 'aria-label': 'What the containers take' },
    h('h2', {}, 'Containers'),
    h('p', { class: 'figure' }, all.length > 0 ? bytes(memory) : '–', h('span', { class: 'unit' }, ' of memory')),
    h('p', { class: 'note' }, all.length > 0 ? `${count(containers, 'container')} · ${percent(cpu)} of one core` : 'being measured'),
  );
}

function traffic() {
  const names = [...state.rates.keys()].filter((name) => state.workspaces.has(name));
  const longest = Math.max(0, ...names.map((name) => state.rates.get(name).length));
  const total = Array.from({ length: longest }, (_, index) => {
    const those = names.map((name) => state.rates.get(name).at(index - longest)).filter(Boolean);
    return { requests: sum(those, (one) => one.requests), errors: sum(those, (one) => one.errors) };
  });
  const last = total.at(-1);
  const measured = [...state.stats.values()].filter((one) => one.traffic);
  const errors = sum(measured, (one) => one.traffic.answers[4]);
  const note = measured.length === 0
    ? state.stats.size > 0 ? 'not measured here' : 'being measured'
    : `${count(sum(measured, (one) => one.traffic.requests), 'request')} · ${errors === 0 ? 'no errors' : count(errors, 'error')} since the edge started`;
  return h(
    'section',
    { class: 'tile', 'aria-label': 'Traffic at the edge' },
    h('h2', {}, 'Traffic'),
    h('p', { class: 'figure' }, last ? rate(last.requests) : '–', h('span', { class: 'unit' }, ' requests')),
    sparkline(total, { width: 240, height: 28 }),
    h('p', { class: 'note' }, note),
  );
}

// The point of keeping only source: what containers hold beyond it is stored nowhere, and can be made again.
function storage() {
  const { storage: told } = state;
  const all = told ? told.source_bytes + told.held_bytes : 0;
  return h(
    'section',
    { class: 'tile storage', 'aria-label': 'Storage' },
    h('h2', {}, 'Storage saved'),
    told
      ? [
          h('p', { class: 'figure' }, bytes(told.held_bytes), h('span', { class: 'unit' }, all > 0 ? ` · ${percent((told.held_bytes / all) * 100)}` : '')),
          storageBar(told.source_bytes, told.held_bytes),
          h(
            'p',
            { class: 'note legend' },
            h('span', { class: 'stored' }, `${bytes(told.source_bytes)} source in the bucket`),
            h('span', { class: 'held' }, 'the rest only in containers'),
          ),
        ]
      : [h('p', { class: 'figure' }, '–'), h('p', { class: 'note' }, 'being measured')],
  );
}

function queue() {
  const busy = [...state.workspaces.values()].filter((status) => status.deployment?.outcome.result === 'running');
  const { waiting = 0, in_flight = 0, held = [] } = state.queue ?? {};
  if (busy.length === 0 && waiting === 0 && in_flight === 0 && held.length === 0) return undefined;
  const others = held.filter((one) => !busy.some((status) => status.workspace === one.workspace));
  return h(
    'section',
    { class: 'card queue', 'aria-label': 'Queue' },
    h('h2', {}, 'In the queue'),
    h('p', { class: 'note' }, `${count(waiting, 'command')} waiting, ${in_flight} being worked on`),
    h(
      'ul',
      {},
      busy.map((status) => {
        const more = held.some((one) => one.workspace === status.workspace && one.again) && ', and once more after that';
        return inQueue(status, status.deployment.steps.at(-1)?.name ?? 'beginning', ` (${because(status.deployment.cause)})`, more);
      }),
      others.map((one) => inQueue(one, AT_IT[one.now] ?? one.now, ` (${because(one.cause)}, `, since(one.since), ')')),
    ),
  );
}

const AT_IT = { waiting: 'waits for the agent to begin', working: 'looked at', pausing: 'waits for another try' };

const inQueue = (one, ...words) =>
  h('li', { 'data-key': one.workspace }, h('a', { href: to(one) }, one.workspace), h('span', { class: 'faint' }, ' ', words));

function letters() {
  const number = state.letters?.length;
  if (!number) return undefined;
  return h('p', { class: 'card notice warn' }, icon('warn'), h('span', {}, number === 1 ? 'A message was given up on. ' : `${number} messages were given up on. `, h('a', { href: '#/letters' }, 'Look at the dead letters')));
}

const COLUMNS = ['Workspace', 'State', 'Release', 'Containers', 'CPU', 'Memory', 'Storage', 'Traffic'];

// A table to those who listen as well, whatever it looks like: where it is narrow, each row is a card.
function table(found) {
  return h(
    'div',
    { class: 'workspaces', role: 'table', 'aria-label': 'Workspaces' },
    h('div', { class: 'row columns', role: 'row' }, COLUMNS.map((name) => h('span', { role: 'columnheader' }, name))),
    found.map(cachedRow),
  );
}

const to = (status) => `#/w/${encodeURIComponent(status.workspace)}`;

// There may be hundreds of them, and most stay as they are.
const rows = new Map();

function cachedRow(status) {
  const { workspace, deployment } = status;
  const samples = state.rates.get(workspace) ?? [];
  const moves = samples.some((one) => one.requests > 0) ? samples.at(-1) : samples.length > 0;
  const age = deployment && ago(deployment.started_at, now());
  const of = [status, state.wishes.get(workspace), state.stats.get(workspace), storageOf(workspace), moves, age];
  return cached(rows, workspace, of, () => row(status));
}

function row(status) {
  const { workspace, deployment } = status;
  const stats = state.stats.get(workspace);
  const stored = storageOf(workspace);
  const containers = stats?.containers.length ?? status.services.length;
  return h(
    'div',
    { class: 'row', role: 'row', 'data-key': workspace },
    h(
      'div',
      { class: 'name', role: 'rowheader' },
      avatar(status),
      h('div', {}, h('a', { class: 'main-link', href: to(status) }, workspace), url(status) ?? h('span', { class: 'url faint' }, status.about?.title ?? 'no address')),
    ),
    cell('State', statePill(status), status.pinned && h('span', { class: 'pinned' }, icon('pin'), 'pinned')),
    cell('Release', h('div', {}, release(status.release), h('div', { class: 'small faint' }, deployment ? [since(deployment.started_at), hidden(`, ${because(deployment.cause)}`)] : 'never deployed'))),
    cell('Containers', containers === 0 ? h('span', { class: 'faint' }, 'none') : containers),
    cell('CPU', percent(stats?.cpu_percent)),
    cell('Memory', h('div', {}, stats ? bytes(stats.memory_bytes) : '–', stats?.memory_limit_bytes > 0 && meter(stats.memory_bytes / stats.memory_limit_bytes))),
    cell('Storage', h('div', {}, stored ? [sizes(stored), storageBar(stored.source_bytes, heldOf(stored))] : '–')),
    cell('Traffic', trafficOf(workspace, stats)),
  );
}

const cell = (name, ...content) => h('div', { class: `cell ${name.toLowerCase()}`, role: 'cell' }, h('span', { class: 'label', 'aria-hidden': 'true' }, name), content);

function url(status) {
  const first = status.urls[0];
  if (!first || status.state === 'stopped') return undefined;
  return link(first, { class: 'url' }, shown(first), hidden(', opens in a new tab'));
}

// Without what all of them have.
export const shown = (url) => url.replace(/^https?:\/\//, '').replace(/(.)\/$/, '$1');

function trafficOf(workspace, stats) {
  if (!stats?.traffic) return h('span', { class: 'faint' }, '–');
  const last = rateOf(workspace);
  const failing = last?.errors > 0 ? last.errors / last.requests : 0;
  return h(
    'div',
    { class: 'traffic' },
    h('span', {}, last ? rate(last.requests) : '–', failing > 0 && h('span', { class: 'bad' }, ` ${percent(failing * 100)} errors`)),
    sparkline(state.rates.get(workspace) ?? []),
  );
}

function removed(gone) {
  return h(
    'details',
    { class: 'gone' },
    h('summary', {}, `${count(gone.length, 'removed workspace')}`),
    h(
      'ul',
      {},
      gone.map((status) =>
        h(
          'li',
          { 'data-key': status.workspace },
          h('a', { href: to(status) }, status.workspace),
          mayChange(status.workspace) && h('button', { class: 'button', 'data-do': 'act', 'data-action': 'restore', 'data-name': status.workspace }, 'Bring back'),
        ),
      ),
    ),
  );
}

function nothingYet() {
  return empty(
    'Nothing is deployed yet',
    'Copy a folder into the bucket, and it is live a moment later. ',
    mayAdd() && h('a', { href: '#/add' }, 'Or add a workspace from here.'),
  );
}

const skeleton = () => [h('div', { class: 'tiles', 'aria-hidden': 'true' }, [1, 2, 3, 4].map(() => h('div', { class: 'tile ghost' }))), loading('Listening for what is live')];

const sum = (all, of) => all.reduce((total, one) => total + (of(one) ?? 0), 0);
