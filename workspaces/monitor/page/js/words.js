// Figures and states in people's words.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function bytes(count) {
  if (count === undefined || count === null) return '–';
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(ms < 9_950 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

export function ago(time, now) {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1_000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 172_800) return 'yesterday';
  return `${Math.floor(seconds / 86_400)} days ago`;
}

const two = (number) => String(number).padStart(2, '0');

// The reader's own time of day; with the date, where it is not today.
export function clock(time, now = Date.now()) {
  const at = new Date(time);
  const hours = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const isToday = at.toDateString() === new Date(now).toDateString();
  return isToday ? hours : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hours}`;
}

// Nearly all is not all.
export function percent(value) {
  if (value === undefined || value === null) return '–';
  if (value > 99 && value < 100) return `${Math.floor(value * 10) / 10} %`;
  return `${value >= 9.95 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}

export const rate = (perSecond) => `${perSecond >= 9.95 || perSecond === 0 ? Math.round(perSecond) : perSecond.toFixed(1)}/s`;

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

// A release by the beginning of its digest, as the command line shows it.
export const short = (digest) => (digest ?? '').replace(/^\w+:/, '').slice(0, 12);

// What a workspace is, and how much that should worry: ok, busy, warn, bad or idle.
export const STATES = {
  live: ['Live', 'ok'],
  deploying: ['Deploying', 'busy'],
  updating: ['Updating', 'busy'],
  degraded: ['Degraded', 'warn'],
  failed: ['Failed', 'bad'],
  stopped: ['Stopped', 'idle'],
  ignored: ['Ignored', 'idle'],
  removed: ['Removed', 'idle'],
};

export const STATE_MEANS = {
  live: 'serves what it is to serve',
  deploying: 'a first deployment is on its way; nothing serves yet',
  updating: 'serves, while a newer release is being deployed',
  degraded: 'the newest release failed; the one before it serves',
  failed: 'the newest release failed, and nothing serves',
  stopped: 'nothing of it runs, because somebody stopped it',
  ignored: 'it holds .nomonitor, and is left alone',
  removed: 'nothing is left in the bucket, and nothing runs',
};

export const OUTCOMES = {
  running: ['Running', 'busy'],
  live: ['Live', 'ok'],
  failed: ['Failed', 'bad'],
  cancelled: ['Cancelled', 'idle'],
  superseded: ['Superseded', 'idle'],
  held_back: ['Held back', 'idle'],
};

const more = (cause) => (cause.more > 0 ? ` and ${cause.more} more` : '');

export function because(cause) {
  switch (cause?.kind) {
    case 'put': return `${cause.path}${more(cause)} put`;
    case 'delete': return `${cause.path}${more(cause)} deleted`;
    case 'archive': return `archive ${cause.key} uploaded`;
    case 'sweep': return 'found by the sweep';
    case 'agent_started': return 'the agent started';
    case 'requested': return 'asked to look again';
    case 'rolled_back': return `rolled back to ${short(cause.to)}`;
    case 'unpinned': return 'unpinned: the bucket counts again';
    case 'restarted': return 'restarted';
    case 'stopped': return 'stopped';
    case 'started': return 'started';
    case 'restored': return `restored to ${short(cause.to)}`;
    case 'fell_back': return `fell back from ${short(cause.from)}`;
    default: return cause?.kind ?? 'unknown';
  }
}
