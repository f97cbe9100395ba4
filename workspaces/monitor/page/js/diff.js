// What differs between two releases, file by file and line by line.
import { ofWorkspace, query, read } from './api.js';
import { h, hidden } from './dom.js';
import { loading, release, trouble } from './parts.js';
import { changed } from './state.js';
import { bytes, count } from './words.js';

const WHY_NO_TEXT = { binary: 'no text', too_large: 'too large to be compared line by line', no_file: 'a key that can be no file' };
const SIGNS = { added: '+', changed: '~', removed: '−' };
// More than that opened at once is no help to anybody.
const OPENED = 10;

export default function diff(name, from, to) {
  let told;
  let error;
  read(ofWorkspace(name, `/diff${query({ from, to })}`))
    .then((answer) => (told = answer), (failure) => (error = failure))
    .then(changed);
  return {
    draw() {
      if (error) return trouble(error);
      if (!told) return loading('Comparing');
      return h(
        'section',
        { class: 'card diff', 'data-key': `${from}-${to}`, 'aria-label': 'What differs' },
        h('div', { class: 'card-head' }, h('h2', {}, 'What differs'), h('span', { class: 'faint' }, release(from), ' → ', release(to))),
        told.files.length === 0 ? h('p', {}, 'Nothing: both hold the same files.') : [h('p', { class: 'faint' }, count(told.files.length, 'file')), told.files.map(file)],
      );
    },
  };
}

function file(one, index) {
  return h(
    'details',
    { class: 'diff-file', 'data-key': one.path, open: index < OPENED },
    h('summary', {}, h('span', { class: `sign ${one.change}`, 'aria-hidden': 'true' }, SIGNS[one.change]), h('span', { class: 'path' }, one.path), hidden(` ${one.change}`), h('span', { class: 'faint' }, sizes(one))),
    one.text ? h('pre', { class: 'code lines', tabindex: '0', 'aria-label': `Changes of ${one.path}` }, lines(one.text)) : h('p', { class: 'faint' }, WHY_NO_TEXT[one.no_text] ?? 'no lines differ'),
  );
}

function sizes({ size_before: before, size_after: after }) {
  if (before === null || before === undefined) return bytes(after);
  if (after === null || after === undefined) return `was ${bytes(before)}`;
  return before === after ? bytes(after) : `${bytes(before)} → ${bytes(after)}`;
}

function lines(text) {
  const kinds = { '+': 'added', '-': 'removed', '@': 'hunk' };
  return text.replace(/\n$/, '').split('\n').map((line) => {
    const isName = line.startsWith('+++') || line.startsWith('---');
    return h('span', { class: isName ? 'hunk' : kinds[line[0]] }, `${line}\n`);
  });
}
