// A new workspace: from a template, from a folder or an archive that is dropped here, or by a command to paste.
import { change, ofWorkspace, query, read, upload } from './api.js';
import { ask } from './dialog.js';
import { archive, dropped, packed } from './drop.js';
import { h, hidden } from './dom.js';
import { icon } from './icons.js';
import { mayAdd } from './may.js';
import { empty, loading, trouble } from './parts.js';
import { say, show } from './say.js';
import { changed, state } from './state.js';
import { bytes, count, percent } from './words.js';

const NAME = '[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?';
const LEFT_OUT = '--exclude=.git --exclude=node_modules .';
// What packs the folder that one is in, by format.
const PACKERS = {
  'tar.gz': (file) => `tar -czf ${file} ${LEFT_OUT}`,
  tar: (file) => `tar -cf ${file} ${LEFT_OUT}`,
  'tar.zst': (file) => `tar --zstd -cf ${file} ${LEFT_OUT}`,
  zip: (file) => `zip -qr ${file} . -x '.git/*' '*node_modules/*'`,
};

export default function add() {
  let templates;
  let error;
  let chosen;
  // What is to be uploaded: `{ what, size, format, blob, left }`.
  let parcel;
  let progress;
  let command;
  read('templates')
    .then((told) => ([templates, chosen] = [told.templates, told.templates[0]?.name]), (failure) => (error = failure))
    .then(changed);

  async function take(entries) {
    parcel = undefined;
    const given = await entries;
    if (given.length === 0) return;
    const [only] = given;
    parcel = (given.length === 1 && archive(only)) || packed(given);
    say(`${parcel.what} is ready to be uploaded`);
    changed();
    document.querySelector('#upload-name')?.focus();
  }

  // Somebody may have been faster, or it is one that is not theirs to see: the platform has the last word.
  async function sendNew(name) {
    try {
      return await sendAs(name, { only_new: true });
    } catch (failure) {
      if (failure.status !== 409) throw failure;
      return (await agreed(name)) && sendAs(name);
    }
  }

  async function sendAs(name, options) {
    progress = 0;
    changed();
    try {
      await upload(ofWorkspace(name, `/archive${query({ format: parcel.format, ...options })}`), parcel.blob, (loaded, total) => {
        progress = total ? loaded / total : 0;
        changed();
      });
      return true;
    } finally {
      progress = undefined;
      changed();
    }
  }

  const agreed = (name) =>
    ask({
      title: `Replace ${name}?`,
      text: `The bucket holds files of ${name} already. All of them go, and those of ${parcel.what} take their place.`,
      yes: 'Replace',
      danger: true,
    });

  function watchDrop(root) {
    const zone = root.querySelector('.drop');
    if (!zone || zone.dataset.watched) return;
    zone.dataset.watched = true;
    zone.addEventListener('dragover', (event) => {
      event.preventDefault();
      zone.classList.add('over');
    });
    zone.addEventListener('dragleave', () => zone.classList.remove('over'));
    zone.addEventListener('drop', (event) => {
      event.preventDefault();
      zone.classList.remove('over');
      take(dropped(event.dataTransfer)).catch((failure) => show(failure.message, { bad: true }));
    });
  }

  const nameField = (id, suggested = '') =>
    h('label', { class: 'field' }, h('span', {}, 'Name of the workspace'), h('input', { id, name: 'name', required: true, pattern: NAME, title: '1 to 63 of a-z, 0-9 and -', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', value: suggested }));

  return {
    title: () => 'Add a workspace',
    draw() {
      const head = [h('a', { class: 'back', href: '#/' }, icon('back'), 'Workspaces'), h('div', { class: 'head' }, h('h1', {}, 'Add a workspace'))];
      if (!mayAdd()) return [head, empty('You may look, and not add', 'Ask for a token with the role deploy.')];
      return [head, h('div', { class: 'ways' }, fromTemplate(), fromHere(), byCommand())];
    },
    drawn: watchDrop,
    does: {
      choose(_, input) {
        chosen = input.value;
        changed();
      },
      async create(_, form) {
        const name = form.elements.name.value;
        await change('POST', 'workspaces', { name, template: chosen });
        show(`${name} is in the bucket`);
        location.hash = `#/w/${name}`;
      },
      pick: (_, input) => take([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, content: file }))),
      async upload(_, form) {
        const name = form.elements.name.value;
        const sent = isThere(name) ? (await agreed(name)) && (await sendAs(name)) : await sendNew(name);
        if (!sent) return;
        show(`${name} is uploaded`);
        location.hash = `#/w/${name}`;
      },
      async command(_, form) {
        const { name, format } = form.elements;
        const told = await change('POST', ofWorkspace(name.value, `/upload-url${query({ format: format.value })}`));
        command = { ...told, name: name.value, text: line(name.value, format.value, told.url), elsewhere: told.only_on_this_host && byToken(name.value, format.value) };
        say('The command is ready');
        changed();
      },
      async copy({ what }) {
        await navigator.clipboard.writeText(command[what]);
        show('Copied');
      },
    },
  };

  function fromTemplate() {
    return h(
      'section',
      { class: 'card way' },
      h('h2', {}, 'From a template'),
      error
        ? trouble(error)
        : !templates
          ? loading()
          : h(
              'form',
              { 'data-submit': 'create' },
              h(
                'fieldset',
                { class: 'templates' },
                h('legend', { class: 'hidden' }, 'Template'),
                templates.map((one) =>
                  h(
                    'label',
                    { class: 'template', 'data-key': one.name },
                    h('input', { type: 'radio', name: 'template', value: one.name, checked: one.name === chosen, 'data-input': 'choose' }),
                    h('span', {}, h('strong', {}, one.title), h('span', { class: 'faint' }, one.description)),
                  ),
                ),
              ),
              h('p', { class: 'faint small' }, templates.find((one) => one.name === chosen)?.files.join(', ')),
              nameField('template-name'),
              h('button', { class: 'button primary' }, 'Create'),
            ),
    );
  }

  function fromHere() {
    return h(
      'section',
      { class: 'card way' },
      h('h2', {}, 'From this computer'),
      h(
        'div',
        { class: 'drop' },
        h('p', {}, h('strong', {}, 'Drop a folder or an archive here'), h('br', {}), h('span', { class: 'faint' }, 'tar, tar.gz, tar.zst or zip')),
        h(
          'div',
          { class: 'tools' },
          h('label', { class: 'button file' }, 'Choose a folder', h('input', { type: 'file', webkitdirectory: true, 'data-input': 'pick' })),
          h('label', { class: 'button file' }, 'Choose an archive', h('input', { type: 'file', accept: '.tar,.gz,.tgz,.zst,.zip', 'data-input': 'pick' })),
        ),
      ),
      parcel &&
        h(
          'form',
          { 'data-submit': 'upload', 'data-key': `parcel-${parcel.what}` },
          h('p', {}, parcel.what, h('span', { class: 'faint' }, ` · ${bytes(parcel.size)}`), parcel.left > 0 && h('span', { class: 'faint' }, ` · ${count(parcel.left, 'file')} left out (.git, node_modules and the like)`)),
          nameField('upload-name', nameOf(parcel.suggested)),
          progress === undefined
            ? h('button', { class: 'button primary' }, 'Upload')
            : h('p', { class: 'uploading' }, h('progress', { max: 1, value: progress, 'aria-label': 'Upload' }), ` ${percent(progress * 100)}`),
        ),
    );
  }

  function byCommand() {
    return h(
      'section',
      { class: 'card way' },
      h('h2', {}, 'By a command'),
      h('p', { class: 'faint' }, 'To be pasted in the folder of the app. Its address takes one archive, for a while, from anybody who has it: no credentials are needed.'),
      h(
        'form',
        { 'data-submit': 'command' },
        nameField('command-name'),
        h('label', { class: 'field' }, h('span', {}, 'Format'), h('select', { name: 'format' }, Object.keys(PACKERS).map((one) => h('option', { value: one }, one)))),
        h('button', { class: 'button' }, 'Get the command'),
      ),
      command &&
        h(
          'div',
          { class: 'command' },
          isThere(command.name) && h('p', { class: 'notice' }, icon('warn'), h('span', {}, `All that ${command.name} holds now is replaced.`)),
          h('pre', { class: 'code', tabindex: '0', 'aria-label': 'Command' }, command.text),
          h('p', {}, copying('text', 'the command'), h('span', { class: 'faint small' }, ` until ${new Date(command.expires_at).toLocaleTimeString()}`)),
          command.elsewhere && [
            h('p', { class: 'notice' }, icon('warn'), h('span', {}, 'Its address is one of the platform’s own machine: run it there. Elsewhere, this one goes to the API instead, with a token of yours as ', h('code', {}, 'CLOUDYKNIGHT_TOKEN'), ', and in ', h('code', {}, 'CLOUDYKNIGHT_API'), ' where you reach the API.')),
            h('pre', { class: 'code', tabindex: '0', 'aria-label': 'Command for elsewhere' }, command.elsewhere),
            h('p', {}, copying('elsewhere', 'the command for elsewhere')),
          ],
        ),
    );
  }
}

const isThere = (name) => state.workspaces.has(name) && state.workspaces.get(name).state !== 'removed';

const copying = (what, words) => h('button', { class: 'button', 'data-do': 'copy', 'data-what': what }, icon('copy'), 'Copy', hidden(` ${words}`));

// Packed beside the folder and not in it, where it would be packed too.
function line(name, format, url) {
  const file = `/tmp/${name}.${format}`;
  return `${PACKERS[format](file)} && curl --fail -T ${file} '${url.replaceAll("'", '%27')}'`;
}

function byToken(name, format) {
  const file = `/tmp/${name}.${format}`;
  const address = `"$CLOUDYKNIGHT_API/api/v1/${ofWorkspace(name, `/archive${query({ format })}`)}"`;
  return `${PACKERS[format](file)} && curl --fail -T ${file} -H "Authorization: Bearer $CLOUDYKNIGHT_TOKEN" ${address}`;
}

const nameOf = (text) => (text ?? '').toLowerCase().replace(/[^a-z0-9-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 63);
