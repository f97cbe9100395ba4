// The few pictures of the page, drawn in the colour of the text around them.
import { svg } from './dom.js';

const PATHS = {
  open: 'M7 3H3v10h10V9M9.5 2.5h4v4M13 3 7.5 8.5',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6 14 14',
  plus: 'M8 3v10M3 8h10',
  back: 'M10 3 5 8l5 5',
  down: 'M8 2.5v8M4.5 7.5 8 11l3.5-3.5M3 13.5h10',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  warn: 'M8 2 14.5 13.5h-13zM8 6.5v3.5M8 11.7v.3',
  pin: 'M6 2h4l-.5 5L12 9.5H4L6.5 7zM8 9.5V14',
  box: 'M2.5 5 8 2l5.5 3v6L8 14l-5.5-3zM2.5 5 8 8l5.5-3M8 8v6',
};

export function icon(name) {
  const path = PATHS[name];
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: path }));
}
