#!/usr/bin/env python3
"""Measures the platform on this machine, end to end: real Docker, the real aws client, a platform of its own.
README.md says what the figures are.

    target/test-clients/bin/python benches/bench.py [FIGURE ...]
"""

import concurrent.futures
import http.client
import json
import pathlib
import signal
import sys
import threading
import time

from mounts import mount
from own_platform import ROOT, platform
from pushes import backends, push
from redeploys import redeploys
from releases import releases, rollback
from request_counts import requests
from samples import ROUNDS, spread
from source import deployed, folder, server
from syncs import push_2000


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
    with platform() as one, deployed(one) as path:
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


FIGURES = {
    "push": push,
    "first": first,
    "load": load,
    "memory": memory,
    "backends": backends,
    "requests": requests,
    "redeploys": redeploys,
    "releases": releases,
    "rollback": rollback,
    "push_2000": push_2000,
    "mount": mount,
}


def main():
    # Asked to stop, it stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    chosen = sys.argv[1:] or list(FIGURES)
    if unknown := [name for name in chosen if name not in FIGURES]:
        raise SystemExit(f"there is no figure {unknown[0]!r}: choose from {', '.join(FIGURES)}")
    for name in chosen:
        figure = FIGURES[name]()
        rows = figure.pop("table", [])
        print(json.dumps({name: figure}, indent=2), *rows, sep="\n", flush=True)


if __name__ == "__main__":
    main()
