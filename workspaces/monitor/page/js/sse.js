// Server-sent events out of a stream of bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html). By hand,
// because the browser's own `EventSource` neither says why it failed nor lets anybody choose when it tries again.

// `alive` is called for whatever arrives, comments included.
export async function* events(stream, alive = () => {}) {
  const text = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let event = blank();
  try {
    for (;;) {
      const { value, done } = await text.read();
      if (done) return;
      alive();
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === '') {
          if (event.data.length) yield { type: event.type, id: event.id, data: event.data.join('\n') };
          event = blank();
        } else take(event, line);
      }
    }
  } finally {
    text.cancel().catch(() => {});
  }
}

const blank = () => ({ type: 'message', id: undefined, data: [] });

function take(event, line) {
  const colon = line.indexOf(':');
  if (colon === 0) return;
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
  if (field === 'event') event.type = value;
  else if (field === 'data') event.data.push(value);
  else if (field === 'id') event.id = value;
}
