// What is said aloud by screen readers, and shown for a moment to everybody else.
import { h, prose } from './dom.js';

const SHOWN_MS = 6_000;
const region = document.querySelector('#said');
const toasts = document.querySelector('#toasts');

export function say(text) {
  region.textContent = '';
  // A region that is filled anew is read again, also where the text is the same.
  requestAnimationFrame(() => (region.textContent = text));
}

export function show(text, { hint, bad = false } = {}) {
  const toast = h('div', { class: `toast ${bad ? 'bad' : ''}` }, h('p', {}, prose(text)), hint && h('p', { class: 'hint' }, prose(hint)));
  toasts.append(toast);
  setTimeout(() => toast.remove(), bad ? SHOWN_MS * 2 : SHOWN_MS);
  say(hint ? `${text}. ${hint}` : text);
}

export const showError = (error) => show(error.message, { hint: error.hint, bad: true });
