// Elements made of values. Text only ever becomes text: nothing here, and nothing elsewhere in the page, parses markup.
//
// A view makes all its elements anew whenever something changed, and `patch` brings what stands on the page into that
// form, touching only what differs. So what is focused, opened, scrolled or half typed stays as it is.

const SVG = 'http://www.w3.org/2000/svg';

export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'style') for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

const isShown = (child) => child !== undefined && child !== null && child !== false && child !== '';

// Brings the children of `parent` into the form of `children`.
export function fill(parent, ...children) {
  const fresh = document.createElement('div');
  fresh.append(...children.flat(Infinity).filter(isShown));
  patchChildren(parent, fresh);
}

function patch(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // It looks after its own contents.
  if (old.hasAttribute('data-own')) return;
  patchAttributes(old, fresh);
  patchChildren(old, fresh);
}

// Whether a part is opened is up to whoever reads it; what is watched for drops stays watched; styles are seen to below.
const LEFT_ALONE = new Set(['open', 'data-watched', 'style']);

function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!LEFT_ALONE.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (!LEFT_ALONE.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // Through the object model, because the page's policy lets no style be written as an attribute.
  if (!fresh.hasAttribute('style') && !old.hasAttribute('style')) return;
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
}

function patchChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted.dataset?.key;
    const found = key ? keyed.get(key) : at && !at.dataset?.key ? at : undefined;
    const make = unchanged.get(wanted);
    if (!found || found.nodeName !== wanted.nodeName) {
      old.insertBefore(make?.() ?? wanted, at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else old.insertBefore(found, at);
    if (!make) patch(found, wanted);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const unchanged = new WeakMap();

// For one of many: `make` is called only where what it is made `of` differs from the last time. `cache` is the caller's. An
// element that is unchanged is stood for by an empty one, and what is on the page stays as it is.
export function cached(cache, key, of, make) {
  const before = cache.get(key);
  cache.set(key, of);
  if (!before || of.some((value, index) => value !== before[index])) return make();
  const stand = h('div', { 'data-key': key });
  unchanged.set(stand, make);
  return stand;
}

// Only where it leads somewhere on the web, whoever wrote it.
export function link(url, attributes, ...children) {
  const safe = /^https?:\/\//i.test(url);
  return h('a', { ...attributes, href: safe ? url : undefined, rel: 'noopener noreferrer', target: '_blank' }, ...children);
}

// A sentence of the platform, in which commands and names stand between backticks.
export const prose = (text) => text.split('`').map((part, index) => (index % 2 ? h('code', {}, part) : part));

// Said to those who listen, and not shown.
export const hidden = (text) => h('span', { class: 'hidden' }, text);
