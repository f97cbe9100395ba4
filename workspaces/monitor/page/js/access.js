// Who may use the platform: tokens for programs, names with passwords for people.
import { change } from './api.js';
import { ask, tell } from './dialog.js';
import { h } from './dom.js';
import pages from './pages.js';
import { at, empty, since } from './parts.js';
import { show } from './say.js';
import { count } from './words.js';

const ROLES = [['read', 'Read: look, and change nothing'], ['deploy', 'Deploy: change workspaces'], ['admin', 'Admin: everything']];
const LIVES = [['', 'never'], [String(86_400), 'in a day'], [String(30 * 86_400), 'in 30 days'], [String(365 * 86_400), 'in a year']];

// As the platform takes them.
const NAMES = { pattern: '[A-Za-z0-9][A-Za-z0-9._@\\-]*', title: 'Letters, digits, . _ @ and -' };

export default function access() {
  const tokens = pages((cursor) => `tokens?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, 'tokens');
  return {
    title: () => 'Access',
    draw: () => [
      h(
        'div',
        { class: 'head' },
        h('div', {}, h('h1', {}, 'Access'), h('p', { class: 'faint' }, 'Tokens for programs, names and passwords for people.')),
        h('div', { class: 'tools' }, h('button', { class: 'button', 'data-do': 'person' }, 'Add a person'), h('button', { class: 'button primary', 'data-do': 'token' }, 'New token')),
      ),
      tokens.draw((all) => (all.length === 0 ? empty('Only the operator’s token', 'Make tokens with fewer rights for scripts and for other people.') : table(all))),
    ],
    does: {
      ...tokens.does,
      async token() {
        const fields = [text('name', 'Name', 'What it is for, as the audit tells it'), ...rights()];
        const made = await ask({ title: 'New token', fields, yes: 'Make it', send: (given) => change('POST', 'tokens', asked(given)) });
        if (!made) return;
        tokens.again();
        await tell({ title: 'Copy it now', content: [h('p', {}, 'The token is shown this once, and kept nowhere.'), h('output', { class: 'code secret' }, made.token)] });
      },
      async person() {
        const password = text('password', 'Password', 'At least 12 characters', { type: 'password', minlength: 12, maxlength: 256, autocomplete: 'new-password' });
        const fields = [text('name', 'Name', 'To sign in with'), password, ...rights()];
        const send = (given) => change('POST', 'tokens', { ...asked(given), password: given.password });
        const made = await ask({ title: 'Add a person', fields, yes: 'Add', send });
        if (!made) return;
        show(`${made.name} may sign in`);
        tokens.again();
      },
      async revoke({ id, name }) {
        if (!(await ask({ title: `Revoke ${name}?`, text: 'Whoever uses it is refused from now on.', yes: 'Revoke', danger: true }))) return;
        await change('DELETE', `tokens/${encodeURIComponent(id)}`);
        show(`${name} is revoked`);
        tokens.again();
      },
    },
  };
}

function asked({ name, role, workspaces, life }) {
  const patterns = workspaces.split(/[\s,]+/).filter(Boolean);
  return { name, role, ...(patterns.length > 0 && { workspaces: patterns }), ...(life && { expires_in_s: Number(life) }) };
}

const field = (id, words, control, help) => h('label', { class: 'field' }, h('span', {}, words), control, help && h('span', { class: 'help' }, help));
const text = (id, words, help, more = {}) => field(id, words, h('input', { name: id, required: true, maxlength: 64, ...(id === 'name' && NAMES), autocomplete: 'off', spellcheck: 'false', ...more }), help);
const select = (id, words, options) => field(id, words, h('select', { name: id }, options.map(([value, shown]) => h('option', { value }, shown))));

const rights = () => [
  select('role', 'Role', ROLES),
  field('workspaces', 'Workspaces', h('input', { name: 'workspaces', placeholder: 'all', autocomplete: 'off', spellcheck: 'false' }), 'Names and patterns, such as shop-*, with spaces between them'),
  select('life', 'Ends', LIVES),
];

function table(all) {
  return h(
    'div',
    { class: 'card scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of tokens' },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, count(all.length, 'token')),
      h('thead', {}, h('tr', {}, ['Name', 'Kind', 'Role', 'Workspaces', 'Made', 'Ends', 'Last used', ''].map((words) => (words ? h('th', { scope: 'col' }, words) : h('td', {}))))),
      h(
        'tbody',
        {},
        all.map((one) =>
          h(
            'tr',
            { 'data-key': one.id },
            h('th', { scope: 'row' }, one.name),
            h('td', {}, one.kind),
            h('td', {}, one.role),
            h('td', {}, one.workspaces?.join(', ') ?? 'all'),
            h('td', {}, since(one.created_at)),
            h('td', {}, one.expires_at ? at(one.expires_at) : 'never'),
            h('td', {}, since(one.last_used_at)),
            h('td', {}, h('button', { class: 'button danger quiet', 'data-do': 'revoke', 'data-id': one.id, 'data-name': one.name, 'aria-label': `Revoke ${one.name}` }, 'Revoke')),
          ),
        ),
      ),
    ),
  );
}
