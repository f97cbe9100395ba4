"""What visitors notice while an app of two services is redeployed again and again under load: ours, and beside it
`docker-compose up -d` on the same app under the same load."""

import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import secrets
import shlex
import subprocess
import threading
import time

from floors import free_port
from own_platform import platform
from samples import spread
from source import folder

REDEPLOYS = int(os.environ.get("CLOUDYKNIGHT_BENCH_REDEPLOYS", "50"))
COMPOSE = shlex.split(os.environ.get("CLOUDYKNIGHT_BENCH_COMPOSE", "docker-compose"))
VISITORS = 8
PAUSE = 0.005

# The front answers with its own version and that of its back: two versions in one answer are a half-state.
FRONT = """
const http = require('node:http');
const agent = new http.Agent({ keepAlive: true });
http.createServer((_, answer) => {
  const asked = http.get({ host: 'back', port: 3000, agent }, (said) => {
    said.setEncoding('utf8');
    let back = '';
    said.on('data', (piece) => { back += piece; });
    said.on('end', () => answer.end(`front ${process.env.VERSION} back ${back}\\n`));
  });
  asked.on('error', (error) => { answer.statusCode = 502; answer.end(`${error}\\n`); });
}).listen(process.env.PORT || 3000);
"""
BACK = """
require('node:http').createServer((_, answer) => answer.end(process.env.VERSION)).listen(3000);
"""


def compose(version, published=None):
    """Both services change with the version, as they do when both are built anew."""
    ports = f"\n    ports: ['127.0.0.1:{published}:3000']" if published else ""
    service = f"""
    image: workspace-node-ephemeral:latest
    init: true
    environment: {{ VERSION: '{version}' }}
    volumes: ['.:/workspace:ro']"""
    # 2.4: what docker-compose 1.29 wants to be told before it knows `init`.
    return f"""version: '2.4'
services:
  front:{service}
    command: node front.js
    depends_on: [back]
    expose: ['3000']{ports}
  back:{service}
    command: node back.js
"""


class Visits:
    def __init__(self):
        self.requests, self.failures, self.half, self.times = 0, [], [], []
        # Seconds from a request that failed to the end of the next that did not, all visitors together.
        self.without = 0

    def note(self, took, status, body):
        self.requests += 1
        words = body.split()
        if status != 200 or len(words) != 4:
            self.failures.append(f"{status} {body[:80]!r}")
            return False
        # A refusal is quick and a timeout slow: neither says how long an answer takes.
        self.times.append(took * 1000)
        if words[1] != words[3]:
            self.half.append(body.strip())
            return False
        return True

    def figures(self):
        return {
            "requests": self.requests,
            "failed": len(self.failures),
            "half-states": len(self.half),
            "ms without an answer, a visitor and redeploy": round(self.without * 1000 / VISITORS / REDEPLOYS, 1),
            "examples": self.failures[:2] + self.half[:2],
            "answered request": spread(self.times) | {"p99": round(sorted(self.times)[len(self.times) * 99 // 100], 1)},
        }


def visit(address, path, stop, visits, lock):
    connection = http.client.HTTPConnection(*address, timeout=10)
    failing_since = None
    while not stop.is_set():
        began = time.monotonic()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            seen = answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            seen = 0, repr(error)
            connection.close()
        ended = time.monotonic()
        with lock:
            well = visits.note(ended - began, *seen)
            if well and failing_since is not None:
                visits.without += ended - failing_since
        failing_since = None if well else failing_since or began
        time.sleep(PAUSE)


@contextlib.contextmanager
def load(address, path):
    visits, stop, lock = Visits(), threading.Event(), threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(VISITORS) as pool:
        clients = [pool.submit(visit, address, path, stop, visits, lock) for _ in range(VISITORS)]
        try:
            yield visits
        finally:
            stop.set()
    for client in clients:
        client.result()


def ours():
    with folder({"front.js": FRONT, "back.js": BACK}) as path, platform() as one:
        file = pathlib.Path(path, "docker-compose.yml")
        file.write_text(compose("first"))
        one.aws("sync", path, "s3://workspaces/app")
        one.until_answers("/app/", "front first back first")
        one.cli("wait", "app")
        took = []
        with load(one.edge, "/app/") as visits:
            for version in range(REDEPLOYS):
                file.write_text(compose(version))
                began = time.monotonic()
                one.aws("cp", str(file), "s3://workspaces/app/docker-compose.yml")
                one.until_answers("/app/", f"front {version} back {version}\n")
                took.append((time.monotonic() - began) * 1000)
    return visits.figures() | {"redeploys": REDEPLOYS, "a redeploy, from the start of aws": spread(took)}


def until(address, text):
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        connection = http.client.HTTPConnection(*address, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/")
            if text in connection.getresponse().read().decode():
                return
        connection.close()
        time.sleep(0.002)
    raise SystemExit(f"no {text!r} within 60 s")


def with_compose():
    project, port = f"ck-bench-{secrets.token_hex(4)}", free_port()
    address = ("127.0.0.1", port)
    with folder({"front.js": FRONT, "back.js": BACK}) as path:
        os.chmod(path, 0o755)
        file = pathlib.Path(path, "docker-compose.yml")
        tool = [*COMPOSE, "--project-name", project, "--file", str(file)]
        run = lambda *words: subprocess.run([*tool, *words], check=True, capture_output=True)  # noqa: E731
        try:
            file.write_text(compose("first", port))
            run("up", "--detach")
            until(address, "front first back first")
            took = []
            with load(address, "/") as visits:
                for version in range(REDEPLOYS):
                    file.write_text(compose(version, port))
                    began = time.monotonic()
                    run("up", "--detach")
                    until(address, f"front {version} back {version}\n")
                    took.append((time.monotonic() - began) * 1000)
        finally:
            run("down", "--timeout", "1")
    return visits.figures() | {"redeploys": REDEPLOYS, "a redeploy, from the start of up": spread(took)}


def redeploys():
    version = subprocess.check_output([*COMPOSE, "version", "--short"], text=True).strip()
    return {"ours": ours(), f"docker-compose {version} up -d": with_compose()}
