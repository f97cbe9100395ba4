// A question, asked once, in a dialog of the browser's own: it keeps the focus, closes with Escape, and gives the focus
// back.
import { h } from './dom.js';

// Resolves to the form's values when it is agreed to, and to undefined otherwise.
export function ask({ title, text = [], fields = [], yes, danger = false }) {
  const agree = h('button', { class: danger ? 'button danger' : 'button primary', value: 'yes' }, yes);
  const refuse = h('button', { class: 'button', value: 'no', formnovalidate: true }, 'Cancel');
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'dialog-title' }, title),
    [text].flat().map((one) => (one instanceof Node ? one : h('p', {}, one))),
    fields,
    h('div', { class: 'buttons' }, refuse, agree),
  );
  return open(form, danger ? refuse : (fields.length ? undefined : agree), (dialog) =>
    dialog.returnValue === 'yes' ? Object.fromEntries(new FormData(form)) : undefined,
  );
}

// Something to be read, with one way out.
export function tell({ title, content }) {
  const close = h('button', { class: 'button primary', value: 'yes' }, 'Done');
  const form = h('form', { method: 'dialog' }, h('h2', { id: 'dialog-title' }, title), content, h('div', { class: 'buttons' }, close));
  return open(form, close, () => undefined);
}

function open(form, focused, result) {
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
  document.body.append(dialog);
  dialog.showModal();
  focused?.focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result(dialog));
    });
  });
}
