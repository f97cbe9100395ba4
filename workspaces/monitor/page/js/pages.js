// A list that comes in pages, each with the cursor of the next.
import { read } from './api.js';
import { h } from './dom.js';
import { loading, trouble } from './parts.js';
import { changed } from './state.js';

// `path` answers where the page behind a cursor is; `field` is the list's name in it.
export default function pages(path, field) {
  let all;
  let next;
  let error;
  let busy = false;

  async function load(cursor) {
    busy = true;
    changed();
    try {
      const told = await read(path(cursor));
      all = [...(cursor ? all : []), ...told[field]];
      next = told.next ?? undefined;
      error = undefined;
    } catch (failure) {
      error = failure;
    }
    busy = false;
    changed();
  }
  load();

  return {
    again: () => load(),
    draw: (list) => [
      error && trouble(error),
      all ? list(all) : !error && loading(),
      next && h('p', { class: 'more' }, h('button', { class: 'button', 'data-do': 'more', disabled: busy }, busy ? 'Loading…' : 'Show more')),
    ],
    does: { more: () => load(next) },
  };
}
