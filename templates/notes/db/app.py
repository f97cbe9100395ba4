"""Keeps notes in SQLite, in a named volume, and gives them to whoever asks by HTTP: only `web` can."""

import json
import os
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = os.environ.get("FILE", "notes.sqlite")


def database():
    connection = sqlite3.connect(FILE, timeout=5)
    connection.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return connection


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            database().close()
            return self.answer(200, {"status": "ok"})
        if self.path != "/notes":
            return self.answer(404, {"error": "not found"})
        with database() as db:
            rows = db.execute("SELECT id, text FROM notes ORDER BY id DESC LIMIT 100").fetchall()
        self.answer(200, [{"id": id, "text": text} for id, text in rows])

    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        # The end of `with` commits.
        with database() as db:
            db.execute("INSERT INTO notes (text) VALUES (?)", [text])
        self.answer(201, {"text": text})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Each check of its health would be a line."""


database().close()
ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
