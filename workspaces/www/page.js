// The page as text. All that comes from other workspaces goes through `html`, which escapes it.

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

class Html {
  constructor(text) {
    this.text = text;
  }
}

const part = (value) => {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(part).join('');
  return String(value ?? '').replace(/[&<>"']/g, (c) => ENTITIES[c]);
};

const html = (strings, ...values) => new Html(String.raw({ raw: strings }, ...values.map(part)));

// Where an app is reached from this page. Below the address that the visitor came by, where it answers there: the platform
// may be called otherwise than it knows. Not from this workspace's own host name, below which nobody else answers.
function address(app, host) {
  const own = host.toLowerCase().startsWith('www.');
  if (app.path?.startsWith('/') && !app.path.startsWith('//') && !own) return app.path;
  return /^https?:\/\//.test(app.url) ? app.url : null;
}

// A picture is shown only if it is of the address that this page is of: no visitor is sent elsewhere unasked.
function icon(app, link) {
  const letter = [...app.title][0];
  if (app.icon && app.url && app.icon.startsWith(app.url)) {
    return link === app.path
      ? html`<span class="icon"><img src="${link + app.icon.slice(app.url.length)}" alt="" width="40" height="40"></span>`
      : html`<span class="icon letter" aria-hidden="true">${letter}</span>`;
  }
  return app.icon
    ? html`<span class="icon" aria-hidden="true">${app.icon}</span>`
    : html`<span class="icon letter" aria-hidden="true">${letter}</span>`;
}

function card(app, host) {
  const link = address(app, host);
  if (!link) return '';
  return html`
      <li>
        ${icon(app, link)}
        <div>
          <h3><a href="${link}">${app.title}</a></h3>
          ${app.description ? html`<p>${app.description}</p>` : ''}
          <p class="where">${app.path ?? new URL(app.url).host}</p>
        </div>
      </li>`;
}

function apps({ workspaces, at, error }, host) {
  const trouble =
    error &&
    html`<p class="trouble" role="status">The platform does not say what is live${
      at ? html`; this is what it said at <time datetime="${at.toISOString()}">${at.toISOString().slice(11, 19)} UTC</time>` : ''
    }.</p>`;
  if (!workspaces) return html`${trouble}`;
  const sorted = workspaces.toSorted?.((a, b) => a.title.localeCompare(b.title)) ??
    [...workspaces].sort((a, b) => a.title.localeCompare(b.title));
  return html`${trouble}${
    sorted.length
      ? html`<ul class="apps">${sorted.map((app) => card(app, host))}
    </ul>`
      : html`<p class="none">Nothing yet. The first one is a few lines away:</p>`
  }`;
}

// `up` leads from the page that was asked for to the folder of this workspace.
const frame = (title, up, content) => html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${title}</title>
  <link rel="icon" href="${up}icon.svg">
  <link rel="stylesheet" href="${up}style.css">
  <script type="module" src="${up}live.js"></script>
</head>
<body>
${content}
</body>
</html>
`.text;

export const landing = (known, host) => frame('CloudyKnight', './', html`  <header>
    <h1>CloudyKnight</h1>
    <p class="lead">Push files to S3, and the app is live.</p>
  </header>
  <main>
    <section id="apps" aria-labelledby="live">
    <h2 id="live">Live here</h2>
    ${apps(known, host)}
    </section>
    <section aria-labelledby="push">
    <h2 id="push">Push one of your own</h2>
    <pre tabindex="0"><code><span class="prompt">$</span> eval "$(cloudyknight env)"
<span class="prompt">$</span> echo '&lt;h1&gt;Hello&lt;/h1&gt;' &gt; index.html
<span class="prompt">$</span> aws s3 cp index.html s3://workspaces/hello/
<span class="prompt">$</span> cloudyknight wait hello</code></pre>
    <p>
      Any S3 client will do. A folder with a <code>package.json</code> becomes a Node app, one with an <code>app.py</code> a
      Python app, their dependencies installed for them; a <code>docker-compose.yml</code> says the rest, where there is
      more to say.
    </p>
    </section>
  </main>
  <footer>
    <p>
      This page is an app as well: some files in the bucket <code>workspaces</code>, in the folder <code>www</code>, and kept
      nowhere else.
    </p>
  </footer>`);

export const nothing = (up) => frame('Not here', up, html`  <header>
    <h1>Not here</h1>
    <p class="lead">No app answers at this address. <a href="${up}">What is live?</a></p>
  </header>`);
