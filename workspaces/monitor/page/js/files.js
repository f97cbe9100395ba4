// What the bucket holds of a workspace now.
import { ofWorkspace, query } from './api.js';
import { h } from './dom.js';
import pages from './pages.js';
import { at, empty } from './parts.js';
import { state } from './state.js';
import { bytes } from './words.js';

export default function files(name) {
  const held = pages((cursor) => ofWorkspace(name, `/files${query({ limit: 200, cursor })}`), 'files');
  let seen = state.changes.get(name)?.at;
  return {
    draw() {
      const last = state.changes.get(name)?.at;
      if (last !== seen) {
        seen = last;
        held.again();
      }
      return held.draw((all) =>
        all.length === 0
          ? empty('The bucket holds no file of it')
          : h(
              'div',
              { class: 'card scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of files' },
              h(
                'table',
                {},
                h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'File'), h('th', { scope: 'col', class: 'number' }, 'Size'), h('th', { scope: 'col' }, 'Changed'))),
                h('tbody', {}, all.map((file) => h('tr', { 'data-key': file.path }, h('th', { scope: 'row', class: 'path' }, file.path), h('td', { class: 'number' }, bytes(file.size_bytes)), h('td', {}, at(file.modified_at))))),
              ),
            ),
      );
    },
    does: held.does,
  };
}
