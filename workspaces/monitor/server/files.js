// The page's files, read and packed once at the start. The scripts and styles lie below a folder named after a digest of
// all of them, so that a browser keeps them for good, and no page is ever made of files of two versions.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
// Above it, packing takes longer than it saves.
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } };

const root = new URL('../', import.meta.url).pathname;
const [files, signInFiles] = await Promise.all([read(join(root, 'page')), read(join(root, 'sign-in'))]);

export const version = digest([...files].flat());

// Where `{{assets}}` stands, the page names that folder.
const html = Buffer.from(files.get('/index.html').toString().replaceAll('{{assets}}', `assets/${version}`));
files.delete('/index.html');

export const page = await packed('/index.html', html, 'no-store');
export const assets = await all(files, `/assets/${version}`, 'private, max-age=31536000, immutable');
// All that anybody gets. The page itself is answered at `/`, so that there is no other address to come back from.
export const signInPage = await all(signInFiles, '', 'no-cache');
signInPage.set('/sign-in', { ...signInPage.get('/index.html'), caching: 'no-store', etag: undefined });
signInPage.delete('/index.html');

async function all(contents, folder, caching) {
  const entries = [...contents].map(async ([path, plain]) => [folder + path, await packed(path, plain, caching)]);
  return new Map(await Promise.all(entries));
}

async function packed(path, plain, caching) {
  const [br, gz] = await Promise.all([promisify(brotliCompress)(plain, BROTLI), promisify(gzip)(plain, { level: 9 })]);
  const etag = caching === 'no-store' ? undefined : `"${digest([plain])}"`;
  return { type: TYPES[extname(path)], caching, etag, plain, br, gzip: gz };
}

async function read(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
  const known = paths.filter((path) => TYPES[extname(path)]);
  return new Map(await Promise.all(known.map(async (path) => [path.slice(folder.length), await readFile(path)])));
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 12);
}
