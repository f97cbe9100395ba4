// A question, asked once, in a dialog of the browser's own: it keeps the focus, closes with Escape, and gives the focus
// back.
import { h } from './dom.js';

// Resolves to the form's values when it is agreed to, and to undefined otherwise. With `send`, to what that answers; the
// dialog stays open, and says why, for as long as it fails.
export function ask({ title, text = [], fields = [], yes, danger = false, send }) {
  const agree = h('button', { class: danger ? 'button danger' : 'button primary', value: 'yes' }, yes);
  const refuse = h('button', { class: 'button', value: 'no', formnovalidate: true }, 'Cancel');
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'dialog-title' }, title),
    [text].flat().map((one) => (one instanceof Node ? one : h('p', {}, one))),
    fields,
    h('p', { class: 'bad', role: 'alert' }),
    h('div', { class: 'buttons' }, refuse, agree),
  );
  let sent;
  form.addEventListener('submit', async (event) => {
    if (!send || event.submitter === refuse) return;
    event.preventDefault();
    agree.disabled = true;
    try {
      sent = await send(Object.fromEntries(new FormData(form)));
      form.closest('dialog').close('yes');
    } catch (error) {
      form.querySelector('[role="alert"]').textContent = [error.message, error.hint].filter(Boolean).join('; ');
    }
    agree.disabled = false;
  });
  const focused = danger ? refuse : fields.length > 0 ? undefined : agree;
  return open(form, focused, (dialog) => {
    if (dialog.returnValue !== 'yes') return undefined;
    return send ? sent : Object.fromEntries(new FormData(form));
  });
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
