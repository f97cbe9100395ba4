// Signs in, and shows the page that is answered at this address from then on. What is behind `#` stays, so that a link
// into the dashboard ends where it leads.
const form = document.querySelector('#sign-in');
const error = document.querySelector('#error');
const button = form.querySelector('button');
const field = (name) => form.querySelector(`#${name}`);
const way = () => form.elements.way.value;

form.addEventListener('change', (event) => {
  if (event.target.name !== 'way') return;
  for (const part of form.querySelectorAll('[data-way]')) part.hidden = part.dataset.way !== way();
  error.textContent = '';
  form.querySelector('[data-way]:not([hidden]) input').focus();
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const given =
    way() === 'token'
      ? { token: field('token').value.trim() }
      : { name: field('name').value.trim(), password: field('password').value };
  if (Object.values(given).includes('')) return refuse(way() === 'token' ? 'Enter a token.' : 'Enter a name and a password.');
  button.disabled = true;
  error.textContent = '';
  try {
    const answer = await fetch('sign-in', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-requested-by': 'monitor' },
      body: JSON.stringify(given),
    });
    if (answer.ok) return location.reload();
    refuse(await reason(answer));
  } catch {
    refuse('The dashboard does not answer. Try again in a moment.');
  }
  button.disabled = false;
});

async function reason(answer) {
  if (answer.status === 401) return way() === 'token' ? 'No such token.' : 'Name or password is wrong.';
  if (answer.status === 429) {
    const seconds = Number(answer.headers.get('retry-after'));
    return `Too many tries. ${seconds > 0 ? `Try again in ${seconds} s.` : 'Try again later.'}`;
  }
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? `The platform answered ${answer.status}.`;
}

function refuse(text) {
  error.textContent = text;
  form.querySelector('[data-way]:not([hidden]) input').focus();
}

// Below a path, other apps have the same origin, and a browser keeps no app from another of the same origin.
document.querySelector('#shared').hidden = new URL('.', location.href).pathname === '/';

// Whoever follows a link from another site sends no cookie of ours with it, and yet may be signed in.
const ONCE = 'cloudyknight-looked-again';
const session = await fetch('session').then((answer) => answer.json()).catch(() => ({}));
if (session.signed_in && !sessionStorage.getItem(ONCE)) {
  sessionStorage.setItem(ONCE, '1');
  location.reload();
} else {
  sessionStorage.removeItem(ONCE);
  field('token').focus();
}
