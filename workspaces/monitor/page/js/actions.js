// What can be done to a workspace. Each is asked once, and what was asked shows at once: before the platform has begun.
import { change, ofWorkspace, query } from './api.js';
import { ask } from './dialog.js';
import { show, showError } from './say.js';
import { changed, state } from './state.js';
import { short } from './words.js';

const LONGEST_WISH_MS = 15_000;

const ACTIONS = {
  restart: {
    title: (name) => `Restart ${name}?`,
    text: 'Every container is made anew, of the same release. The old ones serve until the new ones are healthy.',
    yes: 'Restart',
    wish: 'Restarting',
  },
  stop: {
    title: (name) => `Stop ${name}?`,
    text: 'Its containers go, and its addresses answer nothing until it is started again. Volumes stay.',
    yes: 'Stop',
    danger: true,
    wish: 'Stopping',
  },
  start: { title: (name) => `Start ${name}?`, text: 'What the bucket holds, or what it is pinned to, is deployed.', yes: 'Start', wish: 'Starting' },
  rollback: {
    title: (name, { release }) => (release ? `Roll ${name} back to ${short(release)}?` : `Roll ${name} back?`),
    text: 'The release is deployed as it was, and the workspace stays pinned to it, whatever is pushed, until it is unpinned.',
    yes: 'Roll back',
    wish: 'Rolling back',
  },
  unpin: { title: (name) => `Unpin ${name}?`, text: 'The bucket counts again: what it holds now is deployed.', yes: 'Unpin', wish: 'Unpinning' },
  cancel: {
    title: (name) => `Cancel the deployment of ${name}?`,
    text: 'It ends before it takes traffic. What serves now goes on serving.',
    yes: 'Cancel the deployment',
    danger: true,
    wish: 'Cancelling',
  },
  reconcile: { title: (name) => `Try ${name} again?`, text: 'The bucket is looked at once more, and a release that failed is tried again.', yes: 'Try again', wish: 'Trying again' },
  restore: {
    title: (name) => `Bring ${name} back?`,
    text: 'Its last live release is written into the bucket and deployed.',
    yes: 'Bring back',
    wish: 'Bringing back',
  },
  remove: {
    title: (name) => `Delete ${name}?`,
    text: 'Its files are deleted from the bucket, and its containers go. Releases and volumes stay: it can be brought back.',
    yes: 'Delete',
    danger: true,
    wish: 'Deleting',
    request: ['DELETE', ''],
  },
};

export async function act(kind, name, { release } = {}) {
  const action = ACTIONS[kind];
  const { title, text, yes, danger, wish } = action;
  if (!(await ask({ title: title(name, { release }), text, yes, danger }))) return;
  const { answered, unwish } = wishFor(name, wish);
  const [method, path] = action.request ?? ['POST', `/${kind}${query({ release })}`];
  try {
    const taken = await change(method, ofWorkspace(name, path));
    show(`${name}: ${wish.toLowerCase()}${taken?.changed === false ? ', as it was already' : ''}`);
    if (taken?.changed === false) unwish();
    else answered();
  } catch (error) {
    unwish();
    showError(error);
  }
}

// Shown until the platform has answered and the workspace is heard of, and for a while where nothing comes of it.
function wishFor(name, words) {
  const wish = { words, isAnswered: false, isHeardOf: false };
  const unwish = () => {
    if (state.wishes.get(name) !== wish) return;
    state.wishes.delete(name);
    changed();
  };
  const answered = () => {
    wish.isAnswered = true;
    if (wish.isHeardOf) unwish();
    setTimeout(unwish, LONGEST_WISH_MS);
  };
  state.wishes.set(name, wish);
  changed();
  return { answered, unwish };
}
