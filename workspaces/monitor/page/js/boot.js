// Begins the page once more where a part of it did not come: because the server was replaced between two of its files, or
// because the browser gave up on a request when a network of the machine changed, as Chromium does for each of Docker's.
// No module, so that it is whole by itself, and deferred: nothing waits for it, and the page's own script comes after it.
const TRIES = 'cloudyknight-tries';
const MOST_TRIES = 5;
const FIRST_PAUSE_MS = 300;

let isWhole = true;

function again() {
  const tries = Number(sessionStorage.getItem(TRIES));
  isWhole = false;
  if (tries >= MOST_TRIES) return;
  sessionStorage.setItem(TRIES, tries + 1);
  setTimeout(() => location.reload(), FIRST_PAUSE_MS * 2 ** tries);
}

const isStyle = (element) => element instanceof HTMLLinkElement && element.rel === 'stylesheet';
// A script waits for the styles above it: one that is not there by now did not come.
if ([...document.querySelectorAll('link')].some((link) => isStyle(link) && link.sheet === null)) again();
addEventListener('error', ({ target }) => (target instanceof HTMLScriptElement || isStyle(target)) && again(), true);
addEventListener('load', () => isWhole && sessionStorage.removeItem(TRIES));
