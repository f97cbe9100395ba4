// What a workspace's containers say, and what its last installation or build said.
import { ofWorkspace, query } from './api.js';
import { h } from './dom.js';
import logView from './log-view.js';
import { empty } from './parts.js';
import { changed, state } from './state.js';
import { withoutTime } from './stretch.js';

export default function logs(name, [wanted]) {
  let source = wanted === 'build' ? 'build' : 'containers';
  let service = '';
  let timestamps = false;
  let shown;
  let of;

  // Opened anew where something else is to be shown, and where other containers have taken over.
  function open() {
    const status = state.workspaces.get(name);
    const about = source === 'build' ? status?.deployment?.id : `${status?.state === 'stopped'} ${status?.deployment?.live_at}`;
    const key = `${source} ${service} ${timestamps} ${about}`;
    if (of === key) return;
    of = key;
    shown?.leave();
    const isBuild = source === 'build';
    const path = (options) => ofWorkspace(name, `/${isBuild ? 'build-log' : 'logs'}${query(options)}`);
    // With times in any case, because a log that is read on goes by them.
    const followed = ({ again, since } = {}) => path({ service, timestamps: true, follow: true, since, tail: again ? undefined : 500 });
    shown = logView({
      label: isBuild ? `Build log of ${name}` : `Logs of ${name}`,
      live: isBuild ? () => path({ follow: true }) : followed,
      all: path(isBuild ? {} : { service, timestamps, tail: 100_000 }),
      file: `${name}-${source}${service && `-${service}`}.log`,
      ends: isBuild,
      shape: isBuild || timestamps ? undefined : withoutTime,
    });
  }

  return {
    draw(status) {
      const runs = status.services.length > 0;
      const services = [...new Set(status.services.map((one) => one.service))];
      const pick = (key, words) => h('button', { class: 'button', 'data-do': 'source', 'data-source': key, 'aria-pressed': String(source === key) }, words);
      const bar = [
        h('div', { class: 'group', role: 'group', 'aria-label': 'Which log' }, pick('containers', 'Containers'), pick('build', 'Build')),
        source === 'containers' && services.length > 1 &&
          h('label', {}, 'Service ', h('select', { 'data-input': 'service' }, h('option', { value: '' }, 'all'), services.map((one) => h('option', { value: one }, one)))),
        source === 'containers' && h('label', { class: 'check' }, h('input', { type: 'checkbox', 'data-input': 'timestamps', checked: timestamps }), ' times'),
      ];
      if (source === 'containers' && !runs) {
        shown?.leave();
        [shown, of] = [undefined, undefined];
        return [h('div', { class: 'log-bar' }, bar), empty('Nothing of it runs', 'There is nothing that could say something.')];
      }
      open();
      return shown.draw(bar);
    },
    drawn: (root) => shown?.drawn(root),
    get does() {
      return {
        ...shown?.does,
        source({ source: key }) {
          source = key;
          changed();
        },
        service(_, select) {
          service = select.value;
          changed();
        },
        timestamps(_, box) {
          timestamps = box.checked;
          changed();
        },
      };
    },
    leave: () => shown?.leave(),
  };
}
