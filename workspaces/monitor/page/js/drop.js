// What was dropped or chosen, as a list of files; and a folder as one archive, without what has no place in a bucket.
import { tar } from './tar.js';
import { count } from './words.js';

// By how the name ends, and what the platform calls it.
const ARCHIVES = { '.tar.gz': 'tar.gz', '.tgz': 'tar.gz', '.tar.zst': 'tar.zst', '.tar': 'tar', '.zip': 'zip' };
const LEFT_OUT = /(^|\/)(\.git|node_modules|\.venv|__pycache__|\.DS_Store|\.svn|\.hg)(\/|$)/;

// A file that is an archive by its name, as it is; undefined for another one.
export function archive({ path, content }) {
  const ending = !path.includes('/') && Object.keys(ARCHIVES).find((one) => path.endsWith(one));
  if (!ending) return undefined;
  return { what: path, size: content.size, format: ARCHIVES[ending], blob: content, suggested: path.slice(0, -ending.length) };
}

export async function dropped(transfer) {
  // To be asked for at once: it is gone after the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  const path = entry.fullPath.slice(1);
  if (entry.isFile) return [{ path, content: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  if (LEFT_OUT.test(path)) return [{ path: `${path}/`, content: undefined }];
  const reader = entry.createReader();
  const all = [];
  // A folder is told in pieces, until there is none.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    all.push(...some);
  }
  return (await Promise.all(all.map(walk))).flat();
}

export function packed(files) {
  const folder = folderOf(files);
  const kept = files.filter(({ path, content }) => content && !LEFT_OUT.test(path));
  const inside = kept.map(({ path, content }) => ({ path: folder ? path.slice(folder.length + 1) : path, content }));
  const blob = tar(inside);
  const name = folder || 'app';
  return { what: `${folder ? `${folder}: ` : ''}${count(inside.length, 'file')}`, size: blob.size, format: 'tar', blob, left: files.length - kept.length, suggested: name };
}

// The one folder that all of them lie in, if it is one.
function folderOf(files) {
  const first = files[0].path.split('/')[0];
  return files.every(({ path }) => path.startsWith(`${first}/`)) ? first : '';
}
