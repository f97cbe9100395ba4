// Who changed what, and whether they might.
import { query } from './api.js';
import { h } from './dom.js';
import pages from './pages.js';
import { at, empty, pill } from './parts.js';

export default function audit() {
  const entries = pages((cursor) => `audit${query({ limit: 100, cursor })}`, 'entries');
  return {
    title: () => 'Audit',
    draw: () => [
      h('div', { class: 'head' }, h('div', {}, h('h1', {}, 'Audit'), h('p', { class: 'faint' }, 'Every change that was asked for, and by whom.')), h('button', { class: 'button', 'data-do': 'again' }, 'Look again')),
      entries.draw((all) =>
        all.length === 0
          ? empty('Nobody has changed anything yet')
          : h(
              'div',
              { class: 'card scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of changes' },
              h(
                'table',
                {},
                h('thead', {}, h('tr', {}, ['When', 'Who', 'What', 'Workspace', 'Answer'].map((words) => h('th', { scope: 'col' }, words)))),
                h('tbody', {}, all.map(row)),
              ),
            ),
      ),
    ],
    does: { ...entries.does, again: entries.again },
  };
}

function row(one) {
  return h(
    'tr',
    { 'data-key': one.id },
    h('td', {}, at(one.at)),
    h('td', {}, one.who, h('div', { class: 'small faint' }, one.role)),
    h('td', { class: 'path' }, h('strong', {}, one.method), ` ${one.path.replace(/^\/api\/v1/, '')}`),
    h('td', {}, one.workspace ?? '–'),
    h('td', {}, pill([String(one.status), one.status < 400 ? 'ok' : 'bad'])),
  );
}
