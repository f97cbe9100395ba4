// What came in, and what was decided about it and why: the platform's journal, as it is written.
import { h, hidden, prose } from './dom.js';
import { icon } from './icons.js';
import { at, empty, loading } from './parts.js';
import { changed, state } from './state.js';

const KINDS = {
  decided: ['Decided', 'ok'],
  received: ['Received', 'busy'],
  deployed: ['Deployment', 'ok'],
  swept: ['Swept', 'idle'],
  ignored: ['Ignored', 'idle'],
  sent_nothing: ['Sent nothing', 'idle'],
  doubtful: ['Doubtful', 'warn'],
  unreadable: ['Unreadable', 'bad'],
  gave_up: ['Gave up', 'bad'],
};
const SHOWN = 300;

export default function events([workspace]) {
  let kind = '';
  let sought = workspace ?? '';
  return {
    title: () => 'Events',
    draw() {
      const fits = (one) => (!kind || one.kind === kind) && (!sought || `${one.workspace ?? ''} ${one.key ?? ''} ${one.message}`.toLowerCase().includes(sought));
      const found = state.journal.filter(fits).slice(0, SHOWN);
      const { waiting = 0, in_flight = 0 } = state.queue ?? {};
      return [
        h('div', { class: 'head' }, h('div', {}, h('h1', {}, 'Events'), h('p', { class: 'faint' }, 'What came in from the bucket, and what was decided and why.'))),
        h(
          'div',
          { class: 'log-bar' },
          h('label', {}, 'Kind ', h('select', { 'data-input': 'kind' }, h('option', { value: '' }, 'all'), Object.entries(KINDS).map(([key, [words]]) => h('option', { value: key }, words.toLowerCase())))),
          h('label', { class: 'search' }, hidden('Find an event'), icon('search'), h('input', { type: 'search', 'aria-keyshortcuts': 'Control+/', placeholder: 'Workspace, file, words', 'data-input': 'seek', value: sought, autocomplete: 'off', spellcheck: 'false' })),
          h('span', { class: 'faint grow' }, `Queue: ${waiting} waiting, ${in_flight} being worked on`),
        ),
        !state.ready
          ? loading()
          : found.length === 0
            ? state.journal.length === 0
              ? empty('Nothing has happened yet', 'Put a file into the bucket, and it shows here.')
              : empty('No such event')
            : h('ol', { class: 'card journal' }, found.map(entry)),
      ];
    },
    does: {
      kind(_, select) {
        kind = select.value;
        changed();
      },
      seek(_, input) {
        sought = input.value.trim().toLowerCase();
        changed();
      },
    },
  };
}

function entry(one) {
  const [words, tone] = KINDS[one.kind] ?? [one.kind, 'idle'];
  return h(
    'li',
    { 'data-key': one.id },
    h('span', { class: 'when' }, at(one.at)),
    h('span', { class: `kind ${tone}` }, words),
    h(
      'div',
      { class: 'said' },
      one.workspace && h('a', { href: `#/w/${encodeURIComponent(one.workspace)}` }, one.workspace),
      ' ',
      prose(one.message),
      one.key && h('div', { class: 'path faint' }, one.key),
    ),
  );
}
