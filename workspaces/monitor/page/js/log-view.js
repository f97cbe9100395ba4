// A log as it is written: followed, searched, downloaded. Its lines are appended by hand and not drawn with the rest,
// because there may be thousands of them. Where it breaks off or ends, it is asked for again, and what comes once more is
// left out: the platform's agent restarts, and so do containers.
import { send } from './api.js';
import { h, hidden } from './dom.js';
import { icon } from './icons.js';
import { changed } from './state.js';
import stretch from './stretch.js';
import { count } from './words.js';

const MOST_LINES = 5_000;
const PAUSES_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];
// Whatever was followed for so long was well.
const WELL_MS = 5_000;

// Each has a box of its own: one of the same key would be taken for the one before.
let made = 0;

// `live` answers where it is followed: from the beginning, or `again`, and then `since` a time where its lines have times.
// What `ends` is not asked for again when it has, and only as a whole when it broke off. A line is shown as `shape` makes it.
export default function logView({ label, live, all, file, ends = false, shape = (line) => line }) {
  const box = h('div', { class: 'log', tabindex: '0', role: 'region', 'aria-label': label, 'data-own': true, 'data-key': `log-${(made += 1)}` });
  const stop = new AbortController();
  let sought = '';
  let follows = true;
  let found = 0;
  let lines = 0;
  let state = 'waiting';
  let heard = stretch();
  let isNew = false;

  const isFound = (text) => text.toLowerCase().includes(sought);

  function take(told) {
    const fresh = heard.take(told);
    if (fresh.length === 0) return;
    isNew = true;
    add(fresh.map(shape));
  }

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

  async function follow() {
    let address = live();
    for (let tries = 0; ; tries += 1) {
      isNew = false;
      const began = Date.now();
      state = await read(address);
      changed();
      if (stop.signal.aborted || (ends && state !== 'broken')) return;
      if (isNew || Date.now() - began > WELL_MS) tries = 0;
      await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]));
      if (stop.signal.aborted) return;
      if (ends) clear();
      else address = live({ again: true, since: heard.brokeOff() });
    }
  }

  // To its end, and how that was.
  async function read(address) {
    try {
      const answer = await send('GET', address, { signal: stop.signal });
      state = 'live';
      changed();
      const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await text.read();
        if (done) break;
        const parts = (rest + value).split('\n');
        rest = parts.pop();
        if (parts.length > 0) take(parts);
        changed();
      }
      if (rest) take([rest]);
      return 'ended';
    } catch (error) {
      // What never was, or is over.
      if (error.status === 404) return lines > 0 ? 'ended' : 'none';
      return 'broken';
    }
  }

  function clear() {
    heard = stretch();
    box.replaceChildren();
    [found, lines] = [0, 0];
  }

  follow();
  box.addEventListener('scroll', () => {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (atEnd !== follows) {
      follows = atEnd;
      changed();
    }
  });

  const words = { waiting: 'Waiting…', live: 'Live', ended: ends ? 'Ended' : 'Ended; looking again', none: ends ? 'Nothing was written' : 'Nothing yet', broken: 'Interrupted; trying again' };
  return {
    draw: (bar = []) => [
      h(
        'div',
        { class: 'log-bar' },
        bar,
        h('label', { class: 'search' }, hidden('Search in the log'), icon('search'), h('input', { type: 'search', 'aria-keyshortcuts': 'Control+/', placeholder: 'Search', 'data-input': 'search-log', autocomplete: 'off', spellcheck: 'false' })),
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
    leave: () => stop.abort(),
  };
}
