// The platform itself: do its parts answer, and what does it log.
import { query, read } from './api.js';
import { h, prose } from './dom.js';
import logView from './log-view.js';
import { fact, loading, trouble } from './parts.js';
import { changed, state } from './state.js';

const PARTS = {
  docker: ['Docker', 'runs the containers'],
  edge: ['Edge', 'carries the traffic'],
  bucket: ['Bucket', 'holds the workspaces'],
  platform_bucket: ['Platform bucket', 'holds releases and states'],
  commands: ['Commands', 'can be received'],
  firewall: ['Firewall', 'keeps containers from the platform'],
  policy: ['Policy', 'holds as its file says'],
};
const LOOK_AGAIN_MS = 10_000;

export default function platform() {
  let told;
  let error;
  const log = logView({
    label: 'Log of the platform',
    // As much as is kept, where it is read on.
    live: ({ again } = {}) => `platform/log${query({ tail: again ? 5_000 : 500, follow: true })}`,
    all: `platform/log${query({ tail: 100_000 })}`,
    file: 'cloudyknight.log',
  });
  const look = () =>
    read('platform')
      .then((answer) => ([told, error] = [answer, undefined]), (failure) => (error = failure))
      .then(changed);
  look();
  const again = setInterval(() => document.hidden || look(), LOOK_AGAIN_MS);
  return {
    title: () => 'Platform',
    draw: () => [
      h('div', { class: 'head' }, h('div', {}, h('h1', {}, 'Platform'), told && h('p', { class: 'faint' }, `CloudyKnight ${told.version}`))),
      error && trouble(error),
      told ? parts(told) : !error && loading(),
      h('h2', { class: 'section' }, 'Log'),
      log.draw(),
    ],
    drawn: log.drawn,
    does: log.does,
    leave() {
      clearInterval(again);
      log.leave();
    },
  };
}

function parts(told) {
  const requests = Object.entries(told.requests ?? {});
  return [
    h(
      'ul',
      { class: 'parts' },
      Object.entries(PARTS).filter(([key]) => told[key]).map(([key, [name, what]]) => {
        const part = told[key];
        return h(
          'li',
          { class: `card part ${part.ok ? 'ok' : 'bad'}` },
          h('span', { class: 'dot', 'aria-hidden': 'true' }),
          h('div', {}, h('strong', {}, name), h('p', { class: 'faint' }, part.ok ? what : prose(part.message)), part.hint && h('p', { class: 'hint' }, prose(part.hint))),
          h('span', { class: 'word' }, part.ok ? 'well' : 'trouble'),
        );
      }),
    ),
    h(
      'dl',
      { class: 'facts card' },
      fact('Commands waiting', state.queue?.waiting ?? told.commands_waiting ?? '–'),
      fact('Being worked on', state.queue?.in_flight ?? told.commands_in_flight ?? '–'),
      fact('Connections at the edge', state.edge?.connections ?? '–'),
      fact('Requests to no workspace', state.edge?.unrouted ?? '–'),
      told.rival_at && fact('Another agent was seen', told.rival_at),
    ),
    requests.length > 0 && h('details', { class: 'card' }, h('summary', {}, 'Requests to S3 and SQS'), h('dl', { class: 'facts' }, requests.map(([name, number]) => fact(name, number)))),
  ];
}
