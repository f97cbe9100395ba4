// What is live, as the platform tells it. It is asked through a socket that only this workspace's containers have, so
// there is no address and no token here; the operator's policy says what may be asked.
import { request } from 'node:http';

const PATH = '/api/v1/catalogue';
const PATIENCE_MS = 2000;
const LARGEST = 4 << 20;
// Many visitors at once are one question.
const FRESH_MS = 1000;

function ask(socketPath) {
  return new Promise((resolve, reject) => {
    if (!socketPath) return reject(new Error('the policy gives this workspace no socket of the API'));
    const options = { socketPath, path: PATH, headers: { host: 'localhost' }, timeout: PATIENCE_MS };
    const asked = request(options, async (answer) => {
      try {
        let text = '';
        for await (const piece of answer.setEncoding('utf8')) {
          text += piece;
          if (text.length > LARGEST) throw new Error('the catalogue is too large');
        }
        if (answer.statusCode !== 200) throw new Error(`the platform answered ${answer.statusCode}`);
        resolve(JSON.parse(text).workspaces);
      } catch (error) {
        reject(error);
      }
    });
    asked.on('timeout', () => asked.destroy(new Error('the platform does not answer')));
    asked.on('error', reject);
    asked.end();
  });
}

// Answers `{ workspaces, at, error }`: when the platform does not answer, what it told last and when that was. Before it
// ever did, `workspaces` is null.
export function catalogue(socketPath) {
  let last = { workspaces: null, at: null, error: null };
  let asked = null;
  let askedAt = -Infinity;

  return function now() {
    if (asked && performance.now() - askedAt < FRESH_MS) return asked;
    askedAt = performance.now();
    asked = ask(socketPath).then(
      (workspaces) => (last = { workspaces, at: new Date(), error: null }),
      (error) => {
        console.error(error.message);
        return (last = { ...last, error });
      },
    );
    return asked;
  };
}
