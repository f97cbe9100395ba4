// Says what it was asked, or what `x-want` asks for.
const zlib = require('zlib')
let held = []
require('http').createServer((request, response) => {
  const want = request.headers['x-want'] || ''
  response.setHeader('x-backend', 'echo')
  response.sendDate = false
  if (want.startsWith('stream')) {
    response.setHeader('content-type', want.split(' ')[1] || 'text/plain')
    response.write('one\n')
    return setTimeout(() => response.end('two\n'), 20)
  }
  if (want === 'hold') {
    response.write('one\n')
    return held.push(response)
  }
  if (want === 'let go') {
    held.forEach(one => one.end('two\n'))
    held = []
  }
  if (want === 'encoded') {
    response.setHeader('content-encoding', 'gzip')
    return response.end(zlib.gzipSync('a'.repeat(4096)))
  }
  if (want.startsWith('big')) {
    const [, type, length] = want.split(' ')
    response.setHeader('content-type', type || 'text/plain')
    const body = 'a'.repeat(Number(length || 4096))
    response.setHeader('content-length', body.length)
    return response.end(body)
  }
  if (want === 'vary') {
    response.setHeader('vary', 'Accept')
    response.setHeader('x-frame-options', 'SAMEORIGIN')
    response.setHeader('server', 'echo')
  }
  if (want === 'empty') {
    response.statusCode = 204
    return response.end()
  }
  if (want === 'range') {
    response.statusCode = 206
    response.setHeader('content-type', 'text/plain')
    response.setHeader('content-range', 'bytes 0-2047/4096')
    response.setHeader('content-length', 2048)
    return response.end('a'.repeat(2048))
  }
  const body = JSON.stringify({ method: request.method, url: request.url, headers: request.headers })
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(body)
}).listen(8000)
