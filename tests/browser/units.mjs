// What the dashboard's page computes by itself, without a browser: server-sent events, archives, times, waterfalls.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

const page = new URL('../../workspaces/monitor/page/js/', import.meta.url);
const { events } = await import(new URL('sse.js', page));
const { tar } = await import(new URL('tar.js', page));
const { bytes, count, duration, percent, short } = await import(new URL('words.js', page));
const { rowsOf } = await import(new URL('waterfall.js', page));
const { default: stretch, withoutTime } = await import(new URL('stretch.js', page));
const { matches } = await import(new URL('may.js', page));

async function heard(...chunks) {
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
      controller.close();
    },
  });
  const all = [];
  for await (const event of events(stream)) all.push(event);
  return all;
}

test('events are read however they are cut', async () => {
  const text = ': hello\n\nid: 1\nevent: workspace\ndata: {"a":\ndata: "ü"}\n\ndata:x\r\n\r\nevent: end\ndata\n\n';
  const expected = [
    { type: 'workspace', id: '1', data: '{"a":\n"ü"}' },
    { type: 'message', id: undefined, data: 'x' },
    { type: 'end', id: undefined, data: '' },
  ];
  assert.deepEqual(await heard(text), expected);
  const raw = new TextEncoder().encode(text);
  for (let cut = 1; cut < raw.length; cut += 1) {
    assert.deepEqual(await heard(raw.slice(0, cut), raw.slice(cut)), expected, `cut at ${cut}`);
  }
  assert.deepEqual(await heard('data: never finished\n'), []);
});

test('an archive is one that tar unpacks', async () => {
  const long = `${'folder/'.repeat(20)}file.txt`;
  const files = { 'index.html': 'hello', 'ä ö.txt': 'ü'.repeat(300), [long]: 'x'.repeat(512), empty: '' };
  const blob = tar(Object.entries(files).map(([path, text]) => ({ path, content: new Blob([text]) })));
  assert.equal(blob.size % 512, 0);
  const folder = mkdtempSync(join(tmpdir(), 'ck-tar-'));
  try {
    writeFileSync(join(folder, 'a.tar'), Buffer.from(await blob.arrayBuffer()));
    execFileSync('tar', ['-xf', 'a.tar'], { cwd: folder, env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    for (const [path, text] of Object.entries(files)) assert.equal(readFileSync(join(folder, path), 'utf8'), text, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('figures are told in few words', () => {
  assert.deepEqual([0, 999, 1_000, 999_499, 1_500_000, 123_456_789].map(bytes), ['0 B', '999 B', '1.0 kB', '999 kB', '1.5 MB', '123 MB']);
  assert.equal(bytes(undefined), '–');
  assert.deepEqual([0.4, 999, 1_000, 12_345, 61_000, 3_660_000].map(duration), ['0 ms', '999 ms', '1.00 s', '12.3 s', '1 min 1 s', '1 h 1 min']);
  assert.deepEqual([0, 0.04, 12.4, 99.97, 100].map(percent), ['0 %', '0.0 %', '12 %', '99.9 %', '100 %']);
  assert.deepEqual([count(1, 'file'), count(1_234, 'file')], ['1 file', '1,234 files']);
  assert.equal(short('0123456789abcdef'), '0123456789ab');
});

test('a waterfall begins with the put, and what runs ends now', () => {
  const at = (ms) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
  const origin = { put_at: at(0), notified_at: at(5), decided_at: at(20), received_at: at(25) };
  const steps = [{ name: 'settle', at_ms: 2, took_ms: 100 }, { name: 'start', at_ms: 110, took_ms: null }];
  const { rows, total } = rowsOf({ started_at: at(30), finished_at: null, origin, steps }, Date.parse(at(500)));
  assert.deepEqual(
    rows.map(({ label, from, to, running }) => [label, from, to, !!running]),
    [['Object put', 0, 0, false], ['Notified', 0, 5, false], ['Decided', 5, 20, false], ['Received', 20, 25, false], ['Settled', 32, 132, false], ['Started', 140, 500, true]],
  );
  assert.equal(total, 500);
  // A deployment that somebody asked for has no put.
  assert.deepEqual(rowsOf({ started_at: at(30), finished_at: at(90), steps: [{ name: 'check', at_ms: 0, took_ms: 60 }] }, 0).total, 60);
});

test('a pattern stands for any letters, also none', () => {
  const check = (pattern, name, expected) => assert.equal(matches(pattern, name), expected, `${pattern} ${name}`);
  check('shop', 'shop', true);
  check('shop', 'shops', false);
  check('shop-*', 'shop-a', true);
  check('shop-*', 'shop', false);
  check('*', 'anything', true);
  check('*-test', 'a-test', true);
  check('a*b*c', 'a-b-c', true);
  check('a*b*c', 'acb', false);
  check('a*a', 'a', false);
});

test('a log that broke off is read on without a line twice, and without one missing', () => {
  const line = (second, text, service = '') => `${service}2026-01-02T03:04:${String(second).padStart(2, '0')}.000000001Z ${text}`;
  const heard = stretch();
  assert.equal(heard.brokeOff(), undefined, 'nothing was heard: all of it is new');
  const first = [line(10, 'a', 'one | '), line(11, 'b', 'two | '), line(11, 'b', 'two | '), line(30, 'c', 'one | ')];
  assert.deepEqual(heard.take(first), first, 'what is printed twice is shown twice');
  assert.equal(heard.brokeOff(), '2026-01-02T03:04:20.000Z');
  // One that was told late, in between; one of a service that had said nothing; and what is older than all that was shown.
  const late = line(29, 'late', 'two | ');
  const others = line(5, 'the first word', 'three | ');
  const told = [line(9, 'before', 'one | '), 'and its second half', ...first.slice(0, 3), late, others, first[3], line(31, 'd', 'one | ')];
  assert.deepEqual(heard.take(told.slice(0, 4)), []);
  assert.deepEqual(heard.take(told.slice(4)), [late, others, line(31, 'd', 'one | ')]);
  heard.brokeOff();
  assert.deepEqual(heard.take([line(31, 'd', 'one | '), line(31, 'd', 'one | ')]), [line(31, 'd', 'one | ')]);
});

test('a line of a log is told without its time, and with its service', () => {
  const check = (line, expected) => assert.equal(withoutTime(line), expected);
  check('2026-01-02T03:04:05.000000001Z it runs', 'it runs');
  check('one | 2026-01-02T03:04:05.000000001Z  it runs', 'one |  it runs');
  check('2026-01-02T03:04:05.000000001Z ', '');
  check('it runs since 2026-01-02T03:04:05.000000001Z ', 'it runs since 2026-01-02T03:04:05.000000001Z ');
});
