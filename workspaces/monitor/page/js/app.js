// Where the page begins: who is signed in, which view the address names, and what every view has around it. A view is a
// function of its parameters that answers how it is drawn, what its buttons do, and what ends with it.
import { act } from './actions.js';
import { signOut } from './api.js';
import { fill, h } from './dom.js';
import { goLive } from './live.js';
import { administers, seesPlatform } from './may.js';
import overview from './overview.js';
import { trouble } from './parts.js';
import { showError } from './say.js';
import { onChange, state } from './state.js';

// What is not needed for the first look comes when it is asked for, or when there is nothing else to do.
const VIEWS = {
  '': async () => overview,
  w: async () => (await import('./workspace.js')).default,
  events: async () => (await import('./events.js')).default,
  letters: async () => (await import('./letters.js')).default,
  add: async () => (await import('./add.js')).default,
  access: async () => (await import('./access.js')).default,
  audit: async () => (await import('./audit.js')).default,
  platform: async () => (await import('./platform.js')).default,
};
const NAV = [
  ['', 'Workspaces', () => true],
  ['events', 'Events', () => true],
  ['letters', 'Dead letters', seesPlatform],
  ['platform', 'Platform', seesPlatform],
  ['access', 'Access', administers],
  ['audit', 'Audit', administers],
];

const main = document.querySelector('#main');
const root = main.appendChild(h('div', { class: 'view' }));
let view;
let address;
let turn = 0;

async function go() {
  const [name, ...parameters] = location.hash.replace(/^#\/?/, '').split('/').map(decode);
  const same = view && address?.[0] === name && view.turn?.(parameters);
  address = [name, ...parameters];
  if (same) return draw();
  const mine = ++turn;
  let next;
  try {
    next = (await (VIEWS[name] ?? VIEWS[''])())(parameters);
  } catch (error) {
    // This page's server was replaced, and what it served is gone.
    state.outdated = true;
    next = { title: () => 'Reload', draw: () => [h('h1', {}, 'There is a newer dashboard'), trouble(error)] };
  }
  if (mine !== turn) return;
  view?.leave?.();
  const isFirst = !view;
  view = next;
  root.replaceChildren();
  main.querySelector(':scope > .loading')?.remove();
  draw();
  if (isFirst) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function draw() {
  drawAround();
  if (!view) return;
  document.title = `${view.title()} · CloudyKnight`;
  fill(root, view.draw());
  view.drawn?.(root);
}

function drawAround() {
  const current = address?.[0] === 'w' || address?.[0] === 'add' ? '' : address?.[0];
  const letters = state.letters?.length;
  fill(
    document.querySelector('#nav'),
    NAV.filter(([, , isFor]) => isFor()).map(([name, words]) =>
      h(
        'a',
        { href: `#/${name}`, 'aria-current': current === name ? 'page' : undefined },
        words,
        name === 'letters' && letters > 0 && h('span', { class: 'badge' }, letters),
      ),
    ),
  );
  fill(document.querySelector('#connection'), connection());
  fill(document.querySelector('#me'), state.me && [
    h('span', { class: 'who' }, state.me.name, h('span', { class: 'role' }, state.me.role)),
    h('button', { class: 'button quiet', 'data-do': 'sign-out' }, 'Sign out'),
  ]);
  fill(document.querySelector('#banner'), state.outdated && h(
    'div',
    { class: 'banner' },
    h('p', {}, 'The dashboard was deployed anew. This page is of the version before.'),
    h('button', { class: 'button', 'data-do': 'reload' }, 'Reload'),
  ));
}

function connection() {
  const { is, why, retryAt } = state.connection;
  if (is === 'live') return h('span', { class: 'live', title: 'What you see is how it is' }, h('span', { class: 'dot', 'aria-hidden': 'true' }), 'Live');
  if (!state.ready && is === 'connecting') return h('span', { class: 'busy' }, 'Connecting…');
  const seconds = Math.ceil((retryAt - Date.now()) / 1_000);
  return h(
    'span',
    { class: 'lost', title: why },
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
    is === 'waiting' && seconds > 1 ? `Reconnecting in ${seconds} s` : 'Reconnecting…',
  );
}

const decode = (part) => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

const DOES = {
  'sign-out': signOut,
  reload: () => location.reload(),
  skip: () => main.focus(),
  act: ({ action, name, release }) => act(action, name, { release }),
};

// One listener for all buttons: they are made anew with each drawing, and this is not.
function hand(event, attribute) {
  const element = event.target.closest?.(`[data-${attribute}]`);
  const does = element && (view?.does?.[element.dataset[attribute]] ?? DOES[element.dataset[attribute]]);
  if (!does) return;
  if (event.type !== 'input' && event.type !== 'change') event.preventDefault();
  Promise.resolve(does(element.dataset, element, event)).catch(showError);
}
document.addEventListener('click', (event) => hand(event, 'do'));
document.addEventListener('submit', (event) => hand(event, 'submit'));
document.addEventListener('input', (event) => hand(event, 'input'));

// To the search of the view. With a modifier, because a letter by itself is also what somebody says who dictates.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || !(event.ctrlKey || event.metaKey) || event.target.closest('dialog')) return;
  const search = root.querySelector('input[type="search"]');
  if (!search) return;
  event.preventDefault();
  search.focus();
});

addEventListener('hashchange', go);
onChange(draw);
// Times that are told as "2 min ago" grow, and pauses shrink.
setInterval(() => document.hidden || draw(), 1_000);

goLive();
await go();
const rest = globalThis.requestIdleCallback ?? setTimeout;
rest(() => Object.values(VIEWS).forEach((load) => load().catch(() => {})));
