// Lines of a log that broke off and is read on: what comes again is left out, and nothing else.

const KEPT = 5_000;
// Of containers that print at the same time, one may be told a little after the other.
const OVERLAP_MS = 10_000;
// As the platform writes a line with its time, and with the service's name first where there are several.
const TIMED = /^(\S+ \| )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z)(?: (.*))?$/s;

export const withoutTime = (line) => line.replace(TIMED, (_, service = '', time, text = '') => service + text);

export default function stretch() {
  let lines = [];
  // How often each of them may come once more, and of each service when the first of them was printed.
  let again = new Map();
  let first = new Map();
  let isOld = false;

  function isNew(line) {
    const [, service = '', time] = TIMED.exec(line) ?? [];
    // What was before the first has had its turn; a line without a time goes with the one above it.
    if (time) isOld = time < first.get(service);
    if (isOld) return false;
    const times = again.get(line);
    if (times) again.set(line, times - 1);
    return !times;
  }

  return {
    // Those of `told` that were not there before.
    take(told) {
      const fresh = told.filter(isNew);
      lines.push(...fresh);
      if (lines.length > 2 * KEPT) lines = lines.slice(-KEPT);
      return fresh;
    },
    // It broke off. Answers from when on it is to be told again, where its lines have times.
    brokeOff() {
      [again, first, isOld] = [new Map(), new Map(), false];
      let newest = '';
      for (const line of lines) {
        again.set(line, (again.get(line) ?? 0) + 1);
        const [, service = '', time] = TIMED.exec(line) ?? [];
        if (!time) continue;
        if (!(first.get(service) <= time)) first.set(service, time);
        if (time > newest) newest = time;
      }
      return newest ? new Date(Date.parse(newest) - OVERLAP_MS).toISOString() : undefined;
    },
  };
}
