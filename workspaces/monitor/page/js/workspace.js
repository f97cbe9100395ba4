// One workspace: what it is now, what can be done to it, and its deployment, history, logs and files.
import { h, hidden, link, prose } from './dom.js';
import files from './files.js';
import history from './history.js';
import { icon } from './icons.js';
import logs from './logs.js';
import { mayChange } from './may.js';
import { shown } from './overview.js';
import { at, avatar, empty, fact, failureCard, heldOf, loading, meter, outcomePill, pill, release, since, sizes, sparkline, statePill, storageBar } from './parts.js';
import { changed, rateOf, state, storageOf } from './state.js';
import { isRunning, waterfall } from './waterfall.js';
import { because, bytes, count, percent, rate, short } from './words.js';

const TABS = { '': ['Deployment', deployment], history: ['History', history], logs: ['Logs', logs], files: ['Files', files] };
const FRAME_MS = 80;

export default function workspace([name, ...rest]) {
  let shownTab = opened(name, rest);
  let asked = rest[0] ?? '';
  // What runs is drawn as it grows.
  const grow = setInterval(() => isRunning(state.workspaces.get(name)?.deployment) && !document.hidden && changed(), FRAME_MS);
  return {
    title: () => name,
    draw: () => page(name, asked, shownTab),
    drawn: (root) => shownTab.drawn?.(root),
    get does() {
      return shownTab.does;
    },
    // Another tab of the same workspace is no other view: what is above it stays.
    turn([otherName, ...others]) {
      if (otherName !== name) return false;
      if ((others[0] ?? '') === asked && shownTab.turn?.(others.slice(1))) return true;
      shownTab.leave?.();
      shownTab = opened(name, others);
      asked = others[0] ?? '';
      return true;
    },
    leave() {
      clearInterval(grow);
      shownTab.leave?.();
    },
  };
}

function opened(name, [tab = '', ...rest]) {
  return (TABS[tab] ?? TABS[''])[1](name, rest);
}

function page(name, tab, shownTab) {
  const back = h('a', { class: 'back', href: '#/' }, icon('back'), 'Workspaces');
  const status = state.workspaces.get(name);
  if (!status) {
    return [back, h('h1', {}, name), state.ready ? empty('There is no such workspace', 'Nothing of that name lies in the bucket, or you may not see it.') : loading()];
  }
  return [
    back,
    header(status),
    notes(status),
    facts(status),
    h(
      'nav',
      { class: 'tabs', 'aria-label': `Parts of ${name}` },
      Object.entries(TABS).map(([key, [words]]) => h('a', { href: `#/w/${encodeURIComponent(name)}${key && `/${key}`}`, 'aria-current': key === tab ? 'page' : undefined }, words)),
    ),
    h('div', { class: 'tab', 'data-key': `tab-${tab}` }, shownTab.draw(status)),
  ];
}

function header(status) {
  return h(
    'div',
    { class: 'head workspace-head' },
    avatar(status),
    h(
      'div',
      { class: 'title' },
      h('h1', {}, status.workspace, statePill(status)),
      status.about?.title && status.about.title !== status.workspace && h('p', { class: 'faint' }, status.about.title),
      status.about?.description && h('p', { class: 'faint' }, status.about.description),
      h('p', { class: 'urls' }, status.urls.map((url) => link(url, {}, shown(url), icon('open'), hidden(', opens in a new tab')))),
    ),
    mayChange(status.workspace) ? buttons(status) : h('p', { class: 'faint small' }, 'You may look, and not change.'),
  );
}

function buttons(status) {
  const { state: is, pinned, deployment } = status;
  const button = (action, words, style = '') => h('button', { class: `button ${style}`, 'data-key': action, 'data-do': 'act', 'data-action': action, 'data-name': status.workspace }, words);
  if (is === 'removed') return h('div', { class: 'tools' }, button('restore', 'Bring back', 'primary'));
  if (is === 'ignored') return undefined;
  const running = deployment?.outcome.result === 'running';
  const failed = is === 'failed' || is === 'degraded';
  return h(
    'div',
    { class: 'tools' },
    running && button('cancel', 'Cancel deployment', 'danger'),
    failed && button('reconcile', 'Try again', 'primary'),
    pinned && button('unpin', 'Unpin'),
    is !== 'stopped' && status.release && button('restart', 'Restart'),
    status.release && button('rollback', 'Roll back'),
    is === 'stopped' ? button('start', 'Start', 'primary') : button('stop', 'Stop'),
    button('remove', 'Delete', 'danger quiet'),
  );
}

function notes(status) {
  const { pinned, held_back: held, uncommitted, archive, warnings, deployment } = status;
  const failure = deployment?.outcome.result === 'failed' ? deployment.outcome : archive?.result.result === 'refused' ? archive.result : undefined;
  return [
    failure && failureCard(failure, serves(status)),
    pinned && note('pin', 'Pinned to ', release(pinned.release), ' since ', at(pinned.at), held ? [': what was pushed since, ', release(held), ', is held back.'] : '.'),
    !pinned && held && note('pin', 'What was pushed, ', release(held), ', is held back until it is started.'),
    uncommitted && note('box', `${uncommitted.files === null ? 'Some files' : count(uncommitted.files, 'file')} wait for the next commit.`),
    archive?.result.result === 'unpacking' && note('box', `The archive ${archive.key} is being unpacked.`),
    warnings.length > 0 &&
      h('details', { class: 'card warnings' }, h('summary', {}, icon('warn'), count(warnings.length, 'warning')), h('ul', {}, warnings.map((one) => h('li', {}, prose(one))))),
  ];
}

const note = (sign, ...content) => h('p', { class: 'card notice' }, icon(sign), h('span', {}, content));

function serves({ release: live, deployment }) {
  const failed = `Release ${short(deployment?.release) || 'unknown'} failed`;
  return live && live !== deployment?.release ? `${failed}; ${short(live)} goes on serving` : failed;
}

function facts(status) {
  const { workspace: name, deployment } = status;
  const stats = state.stats.get(name);
  const stored = storageOf(name);
  const last = rateOf(name);
  const answers = stats?.traffic?.answers;
  return h(
    'dl',
    { class: 'facts card' },
    fact('Release', release(status.release)),
    fact('Last deployment', deployment ? since(deployment.started_at) : 'never'),
    fact('Containers', stats?.containers.length ?? status.services.length),
    fact('CPU', percent(stats?.cpu_percent)),
    fact('Memory', stats ? [bytes(stats.memory_bytes), stats.memory_limit_bytes > 0 && stats.memory_bytes !== null && [h('span', { class: 'faint' }, ` of ${bytes(stats.memory_limit_bytes)}`), meter(stats.memory_bytes / stats.memory_limit_bytes)]] : '–'),
    fact('Storage', stored ? [sizes(stored), storageBar(stored.source_bytes, heldOf(stored))] : '–'),
    fact('Traffic', last ? rate(last.requests) : '–', answers && h('span', { class: 'faint' }, ` · ${count(answers[4], 'error')} of ${stats.traffic.requests.toLocaleString('en')}`), sparkline(state.rates.get(name) ?? [], { width: 120 })),
  );
}

function deployment() {
  return {
    draw(status) {
      const { deployment: last, default_compose: made } = status;
      return [
        last
          ? h(
              'section',
              { class: 'card', 'aria-label': 'The last deployment' },
              h('div', { class: 'card-head' }, h('h2', {}, 'Last deployment'), outcomePill(last.outcome), h('span', { class: 'faint' }, release(last.release))),
              h('p', { class: 'faint' }, because(last.cause), ', ', at(last.started_at), last.by && `, by ${last.by}`),
              waterfall(last),
              changes(status),
            )
          : empty('Never deployed'),
        services(status),
        made && h('details', { class: 'card' }, h('summary', {}, 'The compose file that was made for it'), h('pre', { class: 'code', tabindex: '0' }, made)),
      ];
    },
  };
}

function changes({ workspace: name }) {
  const last = state.changes.get(name);
  if (!last) return undefined;
  const rest = last.paths.length - 8 + last.more;
  return h(
    'div',
    { class: 'came-in' },
    h('h3', {}, 'Changed in the bucket, ', since(last.at)),
    h('ul', { class: 'paths' }, last.paths.slice(0, 8).map((path) => h('li', {}, path))),
    rest > 0 && h('p', { class: 'faint' }, `and ${rest} more`),
  );
}

function services(status) {
  const measured = state.stats.get(status.workspace)?.containers ?? [];
  if (measured.length === 0 && status.services.length === 0) return undefined;
  const rows = measured.length > 0 ? measured : status.services;
  const image = (service) => status.services.find((one) => one.service === service)?.image;
  const hasCompleted = (container) => status.services.some((one) => one.container === container && one.completed);
  return h(
    'section',
    { class: 'card', 'aria-label': 'Containers' },
    h('h2', {}, 'Containers'),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of containers' },
      h(
        'table',
        {},
        h('thead', {}, h('tr', {}, ['Service', 'Container', 'State', 'CPU', 'Memory', 'Up since'].map((words) => h('th', { scope: 'col', class: words === 'CPU' || words === 'Memory' ? 'number' : undefined }, words)))),
        h(
          'tbody',
          {},
          rows.map((one) =>
            h(
              'tr',
              { 'data-key': one.container },
              h('th', { scope: 'row' }, one.service, h('div', { class: 'small faint' }, image(one.service))),
              h('td', {}, h('code', {}, one.container)),
              h('td', {}, hasCompleted(one.container) ? pill(['completed', 'ok']) : one.state ? pill([one.health ?? one.state, toneOf(one)]) : '–'),
              h('td', { class: 'number' }, percent(one.cpu_percent)),
              h('td', { class: 'number' }, bytes(one.memory_bytes)),
              h('td', {}, one.started_at ? since(one.started_at) : '–'),
            ),
          ),
        ),
      ),
    ),
  );
}

const toneOf = ({ state: is, health }) => (health === 'unhealthy' || is !== 'running' ? 'bad' : health === 'starting' ? 'busy' : 'ok');
