// Begins the page once more where a part of it did not come: because the server was replaced between two of its files, or
// because the browser gave up on a request when a network of the machine changed, as Chromium does for each of Docker's.
// No module, so that it is there before any of them.
const TRIES = 'cloudyknight-tries';
const MOST_TRIES = 5;
const FIRST_PAUSE_MS = 300;

addEventListener(
  'error',
  ({ target }) => {
    const isPart = target instanceof HTMLScriptElement || (target instanceof HTMLLinkElement && target.rel === 'stylesheet');
    const tries = Number(sessionStorage.getItem(TRIES));
    if (!isPart || tries >= MOST_TRIES) return;
    sessionStorage.setItem(TRIES, tries + 1);
    setTimeout(() => location.reload(), FIRST_PAUSE_MS * 2 ** tries);
  },
  true,
);
// All of it came.
addEventListener('load', () => sessionStorage.removeItem(TRIES));
