// What every answer has in common: headers that leave a browser no freedom, and errors as the platform writes them.

// Nothing inline, nothing from elsewhere, in no frame, and no text that becomes markup.
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

// What is answered besides pages is data, whoever wrote it: it runs nothing, even when it is opened by itself.
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

const ALWAYS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

export const dataHeaders = { ...ALWAYS, 'content-security-policy': DATA_POLICY, 'cache-control': 'no-store' };

// A file as it was read at the start, in the form that the browser likes best.
export function answer(request, response, file) {
  const headers = {
    ...ALWAYS,
    'content-security-policy': PAGE_POLICY,
    'content-type': file.type,
    'cache-control': file.caching,
    vary: 'accept-encoding, cookie',
  };
  if (file.etag) {
    headers.etag = file.etag;
    if (request.headers['if-none-match'] === file.etag) return response.writeHead(304, headers).end();
  }
  const accepted = (request.headers['accept-encoding'] ?? '').split(',').map((one) => one.split(';')[0].trim());
  const encoding = ['br', 'gzip'].find((one) => accepted.includes(one) && file[one]);
  const body = encoding ? file[encoding] : file.plain;
  if (encoding) headers['content-encoding'] = encoding;
  headers['content-length'] = body.length;
  response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : body);
}

export function tell(response, value) {
  response.writeHead(200, { ...dataHeaders, 'content-type': 'application/json' });
  response.end(JSON.stringify(value) + '\n');
}

// An error as the platform's API writes them (RFC 9457), so that the page reads all of them alike.
export function problem(response, status, detail, hint) {
  response.writeHead(status, { ...dataHeaders, 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ status, detail, hint }) + '\n');
}
