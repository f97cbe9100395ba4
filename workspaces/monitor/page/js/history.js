// What was deployed, why, and how it ended; what differs between two releases; and the way back to one.
import { ofWorkspace, read } from './api.js';
import diff from './diff.js';
import { h, hidden } from './dom.js';
import { mayChange } from './may.js';
import { at, empty, failureCard, loading, outcomePill, release, trouble } from './parts.js';
import { changed, state } from './state.js';
import { waterfall } from './waterfall.js';
import { because, count, duration } from './words.js';

export default function history(name, [from, to] = []) {
  let told;
  let error;
  let compared = from && to ? diff(name, from, to) : undefined;
  let seen;

  async function load() {
    seen = mark(name);
    try {
      told = await read(ofWorkspace(name, '/history?limit=100'));
      error = undefined;
    } catch (failure) {
      error = failure;
    }
    changed();
  }
  load();

  return {
    draw() {
      // Another deployment ended since.
      if (seen !== mark(name)) load();
      if (error) return trouble(error);
      if (!told) return loading();
      if (told.deployments.length === 0) return empty('Nothing was deployed yet');
      return [compare(name, told, from, to), compared?.draw(), list(name, told)];
    },
    does: {
      compare(_, form) {
        const { from: a, to: b } = form.elements;
        location.hash = `#/w/${encodeURIComponent(name)}/history/${a.value}/${b.value}`;
      },
    },
    turn([a, b]) {
      if (a === from && b === to) return true;
      [from, to] = [a, b];
      compared = from && to ? diff(name, from, to) : undefined;
      return true;
    },
  };
}

const mark = (name) => state.workspaces.get(name)?.deployment?.finished_at;

function compare(name, told, from, to) {
  const kept = keptInOrder(told);
  if (kept.length < 2) return undefined;
  const live = told.live && kept.some((one) => one.digest === told.live) ? told.live : kept[0].digest;
  const before = told.before ?? kept.find((one) => one.digest !== live)?.digest;
  const choice = (id, words, chosen) =>
    h(
      'label',
      {},
      words,
      h('select', { name: id }, kept.map((one) => h('option', { value: one.digest, selected: one.digest === chosen, 'data-key': one.digest }, `${one.digest.slice(0, 12)}${one.digest === told.live ? ' · live' : ''}${one.at ? ` · ${one.at.slice(0, 16).replace('T', ' ')}` : ''}`))),
    );
  return h(
    'form',
    { class: 'card compare', 'data-submit': 'compare', 'aria-label': 'Compare two releases' },
    choice('from', 'From ', from ?? before),
    choice('to', 'to ', to ?? live),
    h('button', { class: 'button' }, 'Compare'),
  );
}

// The newest first, each once.
function keptInOrder({ kept, deployments }) {
  const order = [];
  for (const record of deployments) {
    if (record.release && kept.includes(record.release) && !order.some((one) => one.digest === record.release)) {
      order.push({ digest: record.release, at: record.started_at });
    }
  }
  for (const digest of kept) if (!order.some((one) => one.digest === digest)) order.push({ digest });
  return order;
}

function list(name, told) {
  return h('ol', { class: 'records' }, told.deployments.map((record) => entry(name, told, record)));
}

function entry(name, told, record) {
  const { changed: differs } = record;
  const isLive = record.release && record.release === told.live;
  const canGoBack = mayChange(name) && record.release && told.kept.includes(record.release) && (!isLive || told.pinned?.release !== told.live);
  return h(
    'li',
    { class: 'card record', 'data-key': record.id },
    h(
      'div',
      { class: 'record-head' },
      h('div', {}, outcomePill(record.outcome), release(record.release), isLive && h('span', { class: 'tag' }, 'serves now'), told.pinned?.release === record.release && h('span', { class: 'tag' }, 'pinned')),
      h('div', { class: 'tools' }, canGoBack && !isLive && h('button', { class: 'button', 'data-do': 'act', 'data-action': 'rollback', 'data-name': name, 'data-release': record.release }, 'Roll back to this')),
    ),
    h(
      'div',
      { class: 'why' },
      h('h2', {}, because(record.cause)),
      h('p', { class: 'faint' }, at(record.started_at), ` · took ${duration(Date.parse(record.finished_at) - Date.parse(record.started_at))}`, record.by && ` · by ${record.by}`),
    ),
    record.outcome.result === 'failed' && failureCard(record.outcome),
    h(
      'details',
      {},
      h('summary', {}, figures(differs), hidden(', and how long each step took')),
      h(
        'div',
        { class: 'record-body' },
        record.previous && record.release && record.previous !== record.release && told.kept.includes(record.previous) && told.kept.includes(record.release) &&
          h('p', {}, h('a', { href: `#/w/${encodeURIComponent(name)}/history/${record.previous}/${record.release}` }, 'See what changed, line by line')),
        paths('Added', differs.added, 'added'),
        paths('Changed', differs.changed, 'changed'),
        paths('Removed', differs.removed, 'removed'),
        differs.more > 0 && h('p', { class: 'faint' }, `and ${differs.more} more`),
        waterfall(record),
      ),
    ),
  );
}

function figures({ added, changed: differ, removed, more }) {
  const parts = [
    added.length > 0 && h('span', { class: 'added' }, `+${added.length}`, hidden(' added ')),
    differ.length > 0 && h('span', { class: 'changed' }, `~${differ.length}`, hidden(' changed ')),
    removed.length > 0 && h('span', { class: 'removed' }, `−${removed.length}`, hidden(' removed ')),
    more > 0 && `and ${more} more`,
  ].filter(Boolean);
  const all = added.length + differ.length + removed.length + more;
  return all === 0 ? 'The same files' : [parts.map((part) => [part, ' ']), h('span', { class: 'faint' }, count(all, 'file'))];
}

const paths = (words, those, kind) => those.length > 0 && [h('h3', {}, words), h('ul', { class: `paths ${kind}` }, those.map((path) => h('li', {}, path)))];
