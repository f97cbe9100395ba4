"""Answers at /{{workspace}}/ with the path taken off: here it is just /. Links on the page are relative, so that they are
right there and at any other address."""

import json
import os
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{workspace}}</title>
<h1>{{workspace}}</h1>
<p>Change <code>app.py</code>, push it, and this page changes. <a href="time">What time is it?</a></p>
</html>
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            self.answer(200, "text/html; charset=utf-8", PAGE)
        elif path == "/time":
            self.answer(200, "application/json", json.dumps({"time": datetime.now(timezone.utc).isoformat()}))
        else:
            self.answer(404, "text/plain", "not found\n")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
