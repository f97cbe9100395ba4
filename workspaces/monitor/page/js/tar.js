// Packs files into a tar archive in the browser (POSIX pax), as a Blob made of the files themselves: the browser reads
// each while it is sent, and none of them is ever whole in memory.

const BLOCK = 512;
const encode = (text) => new TextEncoder().encode(text);

// `files` are `{ path, content }`, content a Blob.
export function tar(files) {
  const parts = [];
  for (const { path, content } of files) {
    const name = encode(path);
    // What does not fit into the old header goes into one before it, which means the same everywhere.
    if (name.length > 100 || name.length !== path.length || content.size >= 8 ** 11) {
      const records = encode(record('path', path) + record('size', String(content.size)));
      parts.push(header('pax', records.length, 'x'), records, padding(records.length));
    }
    parts.push(header(path, content.size, '0'), content, padding(content.size));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: 'application/x-tar' });
}

function header(path, size, kind) {
  const block = new Uint8Array(BLOCK);
  const put = (at, text) => block.set(encode(text), at);
  const octal = (value, width) => `${value.toString(8).padStart(width, '0')}\0`;
  block.set(encode(path).subarray(0, 100), 0);
  put(100, octal(0o644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size % 8 ** 11, 11));
  put(136, octal(Math.floor(Date.now() / 1_000), 11));
  put(148, '        ');
  put(156, kind);
  put(257, 'ustar\0');
  put(263, '00');
  put(148, `${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `);
  return block;
}

const padding = (size) => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

// A record says its own length, which may make it longer.
function record(key, value) {
  const rest = ` ${key}=${value}\n`;
  const bytes = encode(rest).length;
  let length = bytes + String(bytes).length;
  length = bytes + String(length).length;
  return `${length}${rest}`;
}
