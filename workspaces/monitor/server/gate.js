// Which requests are refused before anybody looks at who sends them: those that another page had a browser make.
//
// The session's cookie is SameSite=Strict. That is one wall; these are two more, because what is same-site to a browser
// may still be another app of the same domain.

const OWN_HEADER = 'x-requested-by';
const OWN_NAME = 'monitor';

// A request that changes something must carry a header that no form and no other origin can set, and must come from the
// page's own origin, by the word of the browser.
export function isForged(request) {
  if (request.method === 'GET' || request.method === 'HEAD') return false;
  if (request.headers[OWN_HEADER] !== OWN_NAME) return true;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin';
  // Over plain HTTP, browsers say no more than the origin.
  return !isOwnOrigin(request);
}

// Another page cannot read what it has a browser fetch, but it need not even be answered.
export function comesFromElsewhere(request) {
  const site = request.headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site';
}

function isOwnOrigin(request) {
  const host = request.headers['x-forwarded-host'] ?? request.headers.host;
  try {
    return new URL(request.headers.origin).host === host;
  } catch {
    return false;
  }
}
