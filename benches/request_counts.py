"""What a platform asks of S3 and SQS, for a redeploy and for an hour in which nothing happens; and what that costs on
AWS. On a server with events and commands on its SQS, and functions and sweep in the platform's own process."""

import json
import os
import pathlib
import sys
import time
from collections import Counter

import boto3

from backend import platform_on
from meter import PATIENCE, Meter, of_s3, quiet_for
from prices import Prices
from samples import ROUNDS
from servers import CREDENTIALS
from source import deployed, server
from table import table

SERVER = os.environ.get("CLOUDYKNIGHT_BENCH_SERVER", "localstack")
IDLE_S = int(os.environ.get("CLOUDYKNIGHT_BENCH_IDLE_S", "120"))
REDEPLOYS, WAITS = min(ROUNDS, 10), min(ROUNDS, 5)
WORKSPACES = 10
HOUR, HOURS_OF_A_MONTH = 3600, 730
# While one is counted, and by default.
SWEEP_S, USUAL_SWEEP_S = 5, 300
# A redeploy makes others ask, too: the client puts the file, and S3 notifies the queue.
OF_OTHERS = Counter({"s3 PutObject": 1, "sqs SendMessage": 1})


class Behind:
    """The server, as its owner sees it: what is asked here is not counted by the platform."""

    def __init__(self, behind):
        access = {name.lower(): value for name, value in CREDENTIALS.items()}
        access |= {"endpoint_url": behind.endpoint, "region_name": "us-east-1"}
        self.s3, self.sqs = boto3.client("s3", **access), boto3.client("sqs", **access)
        self.queues = [behind.queue("events"), behind.queue("commands.fifo")]

    def messages(self):
        """On both queues, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = [self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in self.queues]
        return sum(int(number) for one in told for number in one["Attributes"].values())

    def until_empty(self):
        give_up = time.monotonic() + PATIENCE
        while self.messages() > 0:
            if time.monotonic() > give_up:
                raise SystemExit(f"after {PATIENCE} s there are still messages on the queues")
            time.sleep(0.02)


def idle(one):
    """Without a sweep."""
    meter = Meter(one)
    meter.until(quiet_for(5), "S3 to be left alone")
    began = time.monotonic()
    time.sleep(IDLE_S)
    asked, elapsed = meter.asked(), time.monotonic() - began
    return {name: count / elapsed for name, count in asked.items()}


def redeploys(one, behind, path, idle_rate):
    behind.until_empty()
    meter, began = Meter(one), time.monotonic()
    for round_ in range(REDEPLOYS):
        pathlib.Path(path, "index.js").write_text(server(round_))
        one.aws("cp", f"{path}/index.js", "s3://workspaces/app/index.js")
        # Asks nothing of S3, which `wait` does.
        one.until_answers("/app/", f"version {round_}\n")
        behind.until_empty()
    asked, elapsed = meter.asked(), time.monotonic() - began
    less_idle = {name: count - idle_rate.get(name, 0) * elapsed for name, count in asked.items()}
    return {name: count / REDEPLOYS for name, count in less_idle.items()}


def waited_for(one, path):
    """What S3 is asked for when `cloudyknight wait` follows each push."""
    meter = Meter(one)
    for round_ in range(WAITS):
        pathlib.Path(path, "index.js").write_text(server(f"waited for {round_}"))
        one.aws("cp", f"{path}/index.js", "s3://workspaces/app/index.js")
        one.cli("wait", "app")
    asked = meter.until(quiet_for(5), "S3 to be left alone")
    return {name: count / WAITS for name, count in of_s3(asked).items()}


def one_sweep(one, behind, settings):
    """Of ten workspaces. The others are small: whatever is in a workspace, a sweep lists it and reads its status."""
    for number in range(WORKSPACES - 1):
        behind.s3.put_object(Bucket="workspaces", Key=f"other-{number}/.nomonitor", Body=b"")
    behind.until_empty()
    one.cli("down")
    one.configure(settings | {"sweep_interval_s": SWEEP_S})
    one.up()
    meter = Meter(one)
    meter.until(quiet_for(5), "the agent to have looked at everything")
    begins = meter.until(bool, "a sweep")
    return dict(of_s3(begins + meter.until(quiet_for(5), "the end of the sweep")))


def rounded(counts):
    return {name: round(count, 2) for name, count in sorted(counts.items())}


def requests():
    with platform_on(SERVER, sweep_interval_s=0) as (one, server_):
        behind = Behind(server_)
        with deployed(one) as path:
            idle_rate = idle(one)
            print("idle: done", file=sys.stderr, flush=True)
            redeploy = redeploys(one, behind, path, idle_rate)
            waited = waited_for(one, path)
        sweep = one_sweep(one, behind, server_.settings())
    prices = Prices()
    polls = {name: rate * HOUR for name, rate in idle_rate.items()}
    sweeps = {name: count * HOUR / USUAL_SWEEP_S for name, count in sweep.items()}
    hour = Counter(polls) + Counter(sweeps)
    rows = [["requests", "a redeploy", "by others", "$ per 1,000", "an idle hour", "$ per idle month"]]
    for name in sorted(Counter(redeploy) + hour + OF_OTHERS):
        made, others, idle_ = redeploy.get(name, 0), OF_OTHERS.get(name, 0), hour.get(name, 0)
        price = prices.of(name)
        thousand, month = (made + others) * price * 1_000, idle_ * price * HOURS_OF_A_MONTH
        rows.append([name, f"{made:.2f}", others, f"{thousand:.5f}", f"{idle_:.0f}", f"{month:.3f}"])
    thousand = (prices.together(redeploy) + prices.together(OF_OTHERS)) * 1_000
    month = prices.together(hour) * HOURS_OF_A_MONTH
    rows.append(["together", f"{sum(redeploy.values()):.2f}", sum(OF_OTHERS.values())])
    rows[-1] += [f"{thousand:.5f}", f"{sum(hour.values()):.0f}", f"{month:.3f}"]
    return {
        "server": SERVER,
        "redeploys measured": REDEPLOYS,
        "per redeploy, less the idle rate": rounded(redeploy),
        "of S3, when `cloudyknight wait` follows the push": rounded(waited),
        "per redeploy, by the client and by S3": dict(OF_OTHERS),
        "idle seconds measured": IDLE_S,
        "per idle hour, without sweeps": rounded(polls),
        f"one sweep of {WORKSPACES} workspaces": sweep,
        f"per idle hour, sweeps every {USUAL_SWEEP_S} s": rounded(sweeps),
        "$ per 1,000 redeploys": round(thousand, 5),
        "$ per idle hour": round(month / HOURS_OF_A_MONTH, 6),
        "$ per idle month": round(month, 3),
        "$ per request": {name: float(f"{prices.of(name):.3g}") for name in sorted(Counter(redeploy) + hour)},
        "table": table(rows),
    }
