#!/usr/bin/env python3
"""Measures the platform on this machine, end to end: real Docker, the real aws client, a platform of its own.

    ./test.sh --no-run             # once: the S3 clients and the runtime images
    cargo build --release -p cloudyknight
    target/test-clients/bin/python benches/bench.py [FIGURE ...]

Figures: push, first, load, memory (all of them without an argument). Each prints its medians as JSON, in milliseconds
unless the name says otherwise, beside the floor that it is to be compared with, measured in the same run.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("CLOUDYKNIGHT_BENCH_BIN", str(ROOT / "target/release/cloudyknight"))
CLIENTS = ROOT / "target/test-clients/bin"
ROUNDS = int(os.environ.get("CLOUDYKNIGHT_BENCH_ROUNDS", "20"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Platform:
    """One of its own: its own home, ports and label, gone at the end."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="ck-bench-")
        self.edge = ("127.0.0.1", free_port())
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CLOUDYKNIGHT_"))}
        self.environment = clean | {
            "CLOUDYKNIGHT_HOME": self.home,
            "CLOUDYKNIGHT_S3_LISTEN": f"127.0.0.1:{free_port()}",
            "CLOUDYKNIGHT_API_LISTEN": f"127.0.0.1:{free_port()}",
            "CLOUDYKNIGHT_EDGE_LISTEN": "%s:%d" % self.edge,
        }
        self.cli("up")
        self.variables = json.loads(self.cli("env", "--json"))
        self.environment |= {k: v for k, v in self.variables.items() if k.startswith("AWS_")}
        self.environment["AWS_CONFIG_FILE"] = "/dev/null"

    def cli(self, *arguments):
        done = subprocess.run([BINARY, *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"cloudyknight {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def aws(self, *arguments):
        command = [str(CLIENTS / "aws"), "s3", *arguments, "--only-show-errors"]
        subprocess.run(command, env=self.environment, check=True)

    def get(self, path):
        connection = http.client.HTTPConnection(*self.edge, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    def until_answers(self, path, text, limit=120):
        give_up = time.monotonic() + limit
        while time.monotonic() < give_up:
            status, body = self.get(path)
            if status == 200 and text in body:
                return time.monotonic()
            time.sleep(0.002)
        raise SystemExit(f"{path} did not answer with {text!r} within {limit} s")

    def resident(self, role):
        """In bytes."""
        pid = pathlib.Path(self.home, "run", f"{role}.lock").read_text()
        for line in pathlib.Path("/proc", pid, "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"no memory figure for {role}")

    def close(self):
        subprocess.run([BINARY, "down", "--purge", "--yes"], env=self.environment, capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def platform():
    one = Platform()
    try:
        yield one
    finally:
        one.close()


@contextlib.contextmanager
def folder(files):
    with tempfile.TemporaryDirectory(prefix="ck-bench-source-") as path:
        for name, text in files.items():
            pathlib.Path(path, name).write_text(text)
        yield path


def server(version):
    return (
        "const http = require('node:http');\n"
        f"http.createServer((_, answer) => answer.end('version {version}\\n')).listen(process.env.PORT || 3000);\n"
    )


def median(samples):
    return round(statistics.median(samples), 1)


def spread(samples):
    ordered = sorted(samples)
    return {"median": median(samples), "min": round(ordered[0], 1), "max": round(ordered[-1], 1), "n": len(samples)}


def bare_node():
    """From starting node on this machine to its first answer, without a container."""
    samples = []
    for round_ in range(ROUNDS):
        with folder({"index.js": server(round_)}) as path:
            port = free_port()
            began = time.monotonic()
            process = subprocess.Popen(["node", f"{path}/index.js"], env=os.environ | {"PORT": str(port)})
            try:
                while True:
                    with contextlib.suppress(OSError):
                        socket.create_connection(("127.0.0.1", port), timeout=1).close()
                        break
                    time.sleep(0.001)
                samples.append((time.monotonic() - began) * 1000)
            finally:
                process.kill()
                process.wait()
    return samples


def docker_run():
    """From `docker run` of the same app until it answers: what Docker costs by itself."""
    samples = []
    for round_ in range(ROUNDS):
        with folder({"index.js": server(round_)}) as path:
            os.chmod(path, 0o755)
            began = time.monotonic()
            command = ["docker", "run", "--rm", "--detach", "--init", "--volume", f"{path}:/workspace:ro"]
            container = subprocess.check_output([*command, "workspace-node-ephemeral:latest"], text=True).strip()
            try:
                inspect = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container]
                address = subprocess.check_output(inspect, text=True).strip()
                while True:
                    with contextlib.suppress(OSError):
                        socket.create_connection((address, 3000), timeout=1).close()
                        break
                    time.sleep(0.001)
                samples.append((time.monotonic() - began) * 1000)
            finally:
                subprocess.run(["docker", "rm", "--force", container], capture_output=True)
    return samples


def push():
    """One changed file: from the end of `aws s3 cp` (its exit) to the first answer of the new version."""
    with platform() as one:
        samples, steps = [], {}
        with folder({"index.js": server("first"), "package.json": "{}"}) as path:
            one.aws("sync", path, "s3://workspaces/app")
            one.until_answers("/app/", "version first")
            one.cli("wait", "app")
            for round_ in range(ROUNDS):
                pathlib.Path(path, "index.js").write_text(server(round_))
                one.aws("cp", f"{path}/index.js", "s3://workspaces/app/index.js")
                began = time.monotonic()
                samples.append((one.until_answers("/app/", f"version {round_}\n") - began) * 1000)
                one.cli("wait", "app")
                status = json.loads(one.cli("status", "app", "--json"))
                for step in status["deployment"]["steps"]:
                    steps.setdefault(step["name"], []).append(step["took_ms"])
        floor, container = bare_node(), docker_run()
    return {
        "push to live": spread(samples),
        "its steps, medians": {name: median(took) for name, took in steps.items()},
        "floor: bare node": spread(floor),
        "floor: docker run": spread(container),
        "times docker run": round(statistics.median(samples) / statistics.median(container), 2),
    }


def first():
    """The express example: from the end of `aws s3 sync` to its first answer, dependencies not yet installed."""
    samples, installs = [], []
    for _ in range(3):
        with platform() as one:
            one.aws("sync", str(ROOT / "tests/fixtures/myapp"), "s3://workspaces/myapp")
            began = time.monotonic()
            samples.append((one.until_answers("/myapp", "") - began) * 1000)
            one.cli("wait", "myapp")
            status = json.loads(one.cli("status", "myapp", "--json"))
            installs += [step["took_ms"] for step in status["deployment"]["steps"] if step["name"] == "dependencies"]
    return {"first deployment of the express app": spread(samples), "of which dependencies": spread(installs)}


def load():
    """Requests that fail while a workspace is redeployed again and again under constant load."""
    with platform() as one, folder({"index.js": server("first"), "package.json": "{}"}) as path:
        one.aws("sync", path, "s3://workspaces/app")
        one.until_answers("/app/", "version first")
        one.cli("wait", "app")
        stop = threading.Event()

        def keep_alive():
            requests, failures, times = 0, [], []
            connection = http.client.HTTPConnection(*one.edge, timeout=30)
            while not stop.is_set():
                began = time.monotonic()
                try:
                    connection.request("GET", "/app/")
                    answer = connection.getresponse()
                    body = answer.read()
                    if answer.status != 200 or not body.startswith(b"version "):
                        failures.append(f"{answer.status} {body[:80]!r}")
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                    connection.close()
                requests += 1
                times.append((time.monotonic() - began) * 1000)
                time.sleep(0.002)
            return requests, failures, times

        with concurrent.futures.ThreadPoolExecutor() as pool:
            clients = [pool.submit(keep_alive) for _ in range(8)]
            for round_ in range(ROUNDS):
                pathlib.Path(path, "index.js").write_text(server(round_))
                one.aws("cp", f"{path}/index.js", "s3://workspaces/app/index.js")
                one.until_answers("/app/", f"version {round_}\n")
            stop.set()
            results = [client.result() for client in clients]
    times = sorted(time_ for _, _, times in results for time_ in times)
    failures = [failure for _, failures, _ in results for failure in failures]
    return {
        "redeploys": ROUNDS,
        "requests": sum(requests for requests, _, _ in results),
        "failed": len(failures),
        "examples": failures[:3],
        "request p50": round(times[len(times) // 2], 1),
        "request p99": round(times[len(times) * 99 // 100], 1),
    }


def memory():
    """Resident memory with 20 idle workspaces, half a minute after the last deployment."""
    with platform() as one:
        empty = {role: one.resident(role) for role in ("serve", "edge")}
        for number in range(20):
            with folder({"index.html": f"<h1>{number}</h1>"}) as path:
                one.aws("cp", f"{path}/index.html", f"s3://workspaces/site-{number}/index.html")
        for number in range(20):
            one.cli("wait", f"site-{number}")
        time.sleep(30)
        idle = {role: one.resident(role) for role in ("serve", "edge")}
    mib = lambda sizes: {role: round(size / 1024 / 1024, 1) for role, size in sizes.items()}  # noqa: E731
    return {"MiB without workspaces": mib(empty), "MiB with 20 workspaces": mib(idle)}


FIGURES = {"push": push, "first": first, "load": load, "memory": memory}

if __name__ == "__main__":
    for name in sys.argv[1:] or FIGURES:
        if name not in FIGURES:
            raise SystemExit(f"there is no figure {name!r}: choose from {', '.join(FIGURES)}")
        print(json.dumps({name: FIGURES[name]()}, indent=2), flush=True)
