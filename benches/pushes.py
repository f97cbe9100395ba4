"""How long one changed file takes to be live: from the exit of `aws s3 cp` to the first answer of the new version,
through the edge; and where that time goes, as the status tells it."""

import datetime
import json
import math
import os
import pathlib
import statistics
import sys
import time

import floors
from backend import SERVERS, platform_on
from own_platform import platform
from samples import ROUNDS, median, spread
from source import deployed, server
from table import table

BACKENDS = os.environ.get("CLOUDYKNIGHT_BENCH_BACKENDS", ",".join(["embedded", *SERVERS])).split(",")


class Pushes:
    """Pushes of one platform, in milliseconds."""

    def __init__(self):
        self.lives, self.wholes, self.waits, self.between, self.steps = [], [], [], [], {}

    def measure(self, one):
        with deployed(one) as path:
            for round_ in range(ROUNDS):
                pathlib.Path(path, "index.js").write_text(server(round_))
                began = time.monotonic()
                one.aws("cp", f"{path}/index.js", "s3://workspaces/app/index.js")
                pushed, at = time.monotonic(), time.time()
                live = one.until_answers("/app/", f"version {round_}\n")
                self.lives.append((live - pushed) * 1000)
                self.wholes.append((live - began) * 1000)
                self.note(json.loads(one.cli("wait", "app", "--json"))["deployment"], at)
        return self

    def note(self, deployment, pushed_at):
        started_at = datetime.datetime.fromisoformat(deployment["started_at"]).timestamp()
        self.waits.append((started_at - pushed_at) * 1000)
        # It is live before the old container has finished what it carries.
        steps = [step for step in deployment["steps"] if step["name"] != "drain"]
        for step in steps:
            self.steps.setdefault(step["name"], []).append(step["took_ms"])
        switch = next(step for step in steps if step["name"] == "switch")
        up_to_the_switch = [step["took_ms"] for step in steps if step["at_ms"] <= switch["at_ms"]]
        self.between.append(switch["at_ms"] + switch["took_ms"] - sum(up_to_the_switch))

    def figures(self):
        return {
            "push to live": spread(self.lives),
            "the same from the start of aws": spread(self.wholes),
            # The object is there, and the deployment may begin, before aws has ended: then this is negative.
            "from the push's end to the deployment's start": spread(self.waits),
            "its steps, medians": {name: median(took) for name, took in self.steps.items()},
            "between its steps": median(self.between),
        }


def push():
    """On the embedded store, beside the floors."""
    with platform() as one:
        pushes = Pushes().measure(one)
    floor, container = floors.bare_node(ROUNDS), floors.docker_run(ROUNDS)
    return pushes.figures() | {
        "floor: bare node": spread(floor),
        "floor: docker run": spread(container),
        "times docker run": round(statistics.median(pushes.lives) / statistics.median(container), 2),
    }


def backends():
    """On each backend, one platform each, beside the floors of the same run."""
    if unknown := set(BACKENDS) - {"embedded", *SERVERS}:
        raise SystemExit(f"there are no such backends: {', '.join(unknown)}")
    all_of_them, bare, docker = {}, [], []
    # Spread over the run, so that they see the same machine.
    at_a_time = math.ceil(ROUNDS / len(BACKENDS))
    for backend in BACKENDS:
        bare += floors.bare_node(at_a_time)
        docker += floors.docker_run(at_a_time)
        with platform_on(backend) as (one, _):
            all_of_them[backend] = Pushes().measure(one)
        print(f"{backend}: done", file=sys.stderr, flush=True)
    floor, container = spread(bare), spread(docker)
    names = list(dict.fromkeys(name for one in all_of_them.values() for name in one.steps))
    rows = [["ms", "median", "p95", "from start of aws", "push's end to start", *names, "between"]]
    for backend, one in all_of_them.items():
        lives, steps = spread(one.lives), [median(one.steps.get(name, [0])) for name in names]
        waits = [median(one.wholes), median(one.waits)]
        rows.append([backend, lives["median"], lives["p95"], *waits, *steps, median(one.between)])
    for name, samples in [("floor: bare node", floor), ("floor: docker run", container)]:
        rows.append([name, samples["median"], samples["p95"]])
    figures = {backend: one.figures() for backend, one in all_of_them.items()}
    return figures | {"floor: bare node": floor, "floor: docker run": container, "table": table(rows)}
