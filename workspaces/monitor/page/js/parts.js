// Pieces that several views show alike.
import { h, hidden, prose, svg } from './dom.js';
import { now, state } from './state.js';
import { ago, bytes, clock, OUTCOMES, short, STATE_MEANS, STATES } from './words.js';

export function pill([words, tone], title) {
  return h('span', { class: `pill ${tone}`, title }, h('span', { class: 'dot', 'aria-hidden': 'true' }), words);
}

export function statePill(status) {
  const wish = state.wishes.get(status.workspace);
  if (wish) return pill([`${wish.words}…`, 'busy']);
  return pill(STATES[status.state] ?? [status.state, 'idle'], STATE_MEANS[status.state]);
}

export const outcomePill = (outcome) => pill(OUTCOMES[outcome.result] ?? [outcome.result, 'idle']);

export const release = (digest) => (digest ? h('code', { class: 'release', title: digest }, short(digest)) : h('span', { class: 'faint' }, 'none'));

export function since(time) {
  if (!time) return h('span', { class: 'faint' }, 'never');
  return h('time', { datetime: time, title: clock(time, now()) }, ago(time, now()));
}

export const at = (time) => h('time', { datetime: time, title: time }, clock(time, now()));

// The icon that a workspace gives itself, where that is one character and no picture; else its first letter.
export function avatar(status) {
  const own = status.about?.icon;
  const sign = own && !own.includes('.') ? own : status.workspace[0].toUpperCase();
  return h('span', { class: 'avatar', 'aria-hidden': 'true' }, sign);
}

// How much of something, as a bar. Said in words beside it.
export function meter(share, tone = '') {
  const width = Math.max(0, Math.min(1, share || 0));
  return h('span', { class: `meter ${tone}`, 'aria-hidden': 'true' }, h('span', { style: { width: `${(width * 100).toFixed(1)}%` } }));
}

// What the bucket holds beside what containers hold that is stored nowhere.
export function storageBar(source, held) {
  const all = source + held || 1;
  return h(
    'span',
    { class: 'storage-bar', 'aria-hidden': 'true' },
    h('span', { class: 'stored', style: { width: `${((source / all) * 100).toFixed(2)}%` } }),
    h('span', { class: 'held', style: { width: `${((held / all) * 100).toFixed(2)}%` } }),
  );
}

export const heldOf = (one) => one.dependency_bytes + one.written_bytes;

// So that two measurements are no trend.
const FEWEST_SLOTS = 15;

// The last few minutes as a line, the newest at the right.
export function sparkline(samples, { width = 72, height = 22 } = {}) {
  const slots = Math.max(FEWEST_SLOTS, samples.length);
  const most = Math.max(1, ...samples.map((one) => one.requests));
  const x = (index) => width - ((samples.length - 1 - index) / (slots - 1)) * width;
  const y = (value) => height - 1.5 - (value / most) * (height - 3);
  const points = samples.map((one, index) => `${x(index).toFixed(1)},${y(one.requests).toFixed(1)}`);
  const failing = samples.map((one, index) => one.errors > 0 && svg('rect', { class: 'failing', x: (x(index) - 1).toFixed(1), y: 0, width: 2, height }));
  const area = points.length > 1 && `M${x(0).toFixed(1)},${height} L${points.join(' L')} L${width},${height}Z`;
  return svg(
    'svg',
    { class: 'sparkline', viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true', preserveAspectRatio: 'none' },
    failing,
    area && svg('path', { class: 'area', d: area }),
    points.length > 1 && svg('polyline', { points: points.join(' ') }),
  );
}

// A name and its value, in a list of them.
export const fact = (name, ...value) => h('div', { class: 'fact' }, h('dt', {}, name), h('dd', {}, value));

// With a title of its own it is a part of the page; without, of what it stands in.
export function failureCard(failure, title) {
  return h(
    title ? 'section' : 'div',
    { class: 'card failure', 'aria-label': title },
    h(title ? 'h2' : 'h3', {}, title ?? 'What failed', failure.service && h('span', { class: 'faint' }, ` · service ${failure.service}`)),
    h('p', { class: 'message' }, prose(failure.message)),
    failure.hint && h('p', { class: 'hint' }, h('strong', {}, 'What to do: '), prose(failure.hint)),
    failure.log?.length > 0 && h('pre', { class: 'code', tabindex: '0', 'aria-label': 'The end of its log' }, failure.log.join('\n')),
  );
}

export const empty = (title, ...text) => h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), text.length > 0 && h('p', {}, text));

export const loading = (what = 'Loading') => h('div', { class: 'loading' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), ` ${what}…`);

export const trouble = (error) => h('div', { class: 'empty bad', role: 'alert' }, h('p', { class: 'empty-title' }, prose(error.message)), error.hint && h('p', {}, prose(error.hint)));

export const sizes = (one) => [bytes(one.source_bytes), hidden(' in the bucket, '), h('span', { class: 'faint' }, ` + ${bytes(heldOf(one))}`), hidden(' only in containers')];
