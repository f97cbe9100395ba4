// A log as it is written: followed, searched, downloaded. Its lines are appended by hand and not drawn with the rest,
// because there may be thousands of them.
import { send } from './api.js';
import { h, hidden } from './dom.js';
import { icon } from './icons.js';
import { changed } from './state.js';
import { count } from './words.js';

const MOST_LINES = 5_000;
const AGAIN_MS = 2_000;

export default function logView({ label, live, all, file }) {
  const box = h('div', { class: 'log', tabindex: '0', role: 'region', 'aria-label': label, 'data-own': true, 'data-key': live });
  const stop = new AbortController();
  let sought = '';
  let follows = true;
  let found = 0;
  let lines = 0;
  let state = 'waiting';
  let retry;

  const isFound = (text) => text.toLowerCase().includes(sought);

  function add(texts) {
    const fresh = texts.map((text) => {
      const hit = isFound(text);
      found += hit;
      return h('div', { class: 'line', hidden: !hit }, ...(sought && hit ? marked(text) : [text || ' ']));
    });
    box.append(...fresh);
    lines += fresh.length;
    while (lines > MOST_LINES) {
      found -= !box.firstChild.hidden;
      box.firstChild.remove();
      lines -= 1;
    }
    if (follows) box.scrollTop = box.scrollHeight;
  }

  function marked(text) {
    const parts = [];
    const low = text.toLowerCase();
    let from = 0;
    for (let hit = low.indexOf(sought); hit >= 0; hit = low.indexOf(sought, from)) {
      parts.push(text.slice(from, hit), h('mark', {}, text.slice(hit, hit + sought.length)));
      from = hit + sought.length;
    }
    return [...parts, text.slice(from)];
  }

  function search(text) {
    sought = text.toLowerCase();
    const texts = [...box.children].map((line) => line.textContent);
    box.replaceChildren();
    [found, lines] = [0, 0];
    add(texts);
    changed();
  }

  async function read() {
    try {
      const answer = await send('GET', live, { signal: stop.signal });
      state = 'live';
      changed();
      const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await text.read();
        if (done) break;
        const parts = (rest + value).split('\n');
        rest = parts.pop();
        if (parts.length > 0) add(parts);
        changed();
      }
      if (rest) add([rest]);
      state = 'ended';
    } catch (error) {
      if (stop.signal.aborted) return;
      // What never was: there is nothing to wait for.
      state = error.status === 404 ? 'none' : 'broken';
      if (state === 'broken') {
        retry = setTimeout(() => {
          box.replaceChildren();
          [found, lines] = [0, 0];
          read();
        }, AGAIN_MS);
      }
    }
    changed();
  }
  read();
  box.addEventListener('scroll', () => {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (atEnd !== follows) {
      follows = atEnd;
      changed();
    }
  });

  const words = { waiting: 'Waiting…', live: 'Live', ended: 'Ended', none: 'Nothing was written', broken: 'Interrupted; trying again' };
  return {
    draw: (bar = []) => [
      h(
        'div',
        { class: 'log-bar' },
        bar,
        h('label', { class: 'search' }, hidden('Search in the log'), icon('search'), h('input', { type: 'search', placeholder: 'Search', 'data-input': 'search-log', autocomplete: 'off', spellcheck: 'false' })),
        h('span', { class: 'faint grow' }, sought ? `${found} of ${count(lines, 'line')}` : `${words[state]} · ${count(lines, 'line')}`),
        !follows && h('button', { class: 'button', 'data-do': 'follow' }, 'To the end'),
        h('a', { class: 'button', href: `api/v1/${all}`, download: file }, icon('down'), 'Download'),
      ),
      box,
    ],
    drawn() {
      if (follows) box.scrollTop = box.scrollHeight;
    },
    does: {
      'search-log': (_, input) => search(input.value.trim()),
      follow() {
        follows = true;
        box.scrollTop = box.scrollHeight;
        changed();
      },
    },
    leave() {
      stop.abort();
      clearTimeout(retry);
    },
  };
}
