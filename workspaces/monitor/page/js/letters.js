// Dead letters: messages that were given up on, why, and the way to have them looked at once more.
import { change } from './api.js';
import { ask } from './dialog.js';
import { h, prose } from './dom.js';
import { lettersAgain } from './live.js';
import { administers } from './may.js';
import { at, empty, loading } from './parts.js';
import { show } from './say.js';
import { state } from './state.js';
import { bytes } from './words.js';

const KINDS = { command: 'Command', notification: 'Notification', unknown: 'Message' };

export default function letters() {
  lettersAgain();
  return {
    title: () => 'Dead letters',
    draw: () => [
      h('div', { class: 'head' }, h('div', {}, h('h1', {}, 'Dead letters'), h('p', { class: 'faint' }, 'Messages that were tried too often and given up on. Nothing that was acknowledged disappears without a trace.'))),
      !state.letters ? loading() : state.letters.length === 0 ? empty('None', 'Every message was dealt with.') : state.letters.map(letter),
    ],
    does: {
      replay: ({ id }) => once('POST', `dead-letters/${encodeURIComponent(id)}/replay`, 'Replay this message?', 'It goes back onto the queue that it came from.', 'Replay', 'The message is back on its queue'),
      discard: ({ id }) => once('DELETE', `dead-letters/${encodeURIComponent(id)}`, 'Discard this message?', 'It is gone for good.', 'Discard', 'The message is gone', true),
    },
  };
}

async function once(method, path, title, text, yes, done, danger) {
  if (!(await ask({ title, text, yes, danger }))) return;
  await change(method, path);
  show(done);
  await lettersAgain();
}

function letter(one) {
  return h(
    'section',
    { class: 'card letter', 'data-key': one.id, 'aria-label': `Dead letter ${one.id}` },
    h(
      'div',
      { class: 'record-head' },
      h('div', {}, h('h2', {}, KINDS[one.kind] ?? one.kind), one.workspaces.map((name) => [' ', h('a', { href: `#/w/${encodeURIComponent(name)}` }, name)])),
      administers() && h('div', { class: 'tools' }, h('button', { class: 'button', 'data-do': 'replay', 'data-id': one.id }, 'Replay'), h('button', { class: 'button danger quiet', 'data-do': 'discard', 'data-id': one.id }, 'Discard')),
    ),
    h('p', {}, prose(one.reason)),
    h('p', { class: 'faint small' }, 'From ', h('code', {}, one.queue), ', ', at(one.at)),
    h('details', {}, h('summary', {}, `What it said (${bytes(one.body_bytes)})`), h('pre', { class: 'code', tabindex: '0' }, one.body)),
  );
}
