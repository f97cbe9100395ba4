// An open page follows what is live: while somebody looks at it, the list is asked for again.
const EVERY_MS = 5000;

async function follow() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const [old, now] = [document, page].map((one) => one.querySelector('#apps'));
    // What did not change is left alone: somebody may be about to click on it.
    if (old && now && old.innerHTML !== now.innerHTML) old.replaceChildren(...now.childNodes);
  } catch {
    // The next time.
  }
}

if (document.querySelector('#apps')) {
  setInterval(follow, EVERY_MS);
  document.addEventListener('visibilitychange', follow);
}
