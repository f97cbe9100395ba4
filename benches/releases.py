"""What releases cost: the bytes of a hundred of them, and the time of going back to one."""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import time

import boto3

from own_platform import BINARY, platform
from samples import ROUNDS, spread
from source import BUILT, deployed, folder, server

RELEASES = int(os.environ.get("CLOUDYKNIGHT_BENCH_RELEASES", "100"))
FILES = 200
SIZE = 25_000


def kept(one):
    """Objects and bytes in the platform bucket, by what they are for."""
    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    access = dict(zip(["aws_access_key_id", "aws_secret_access_key"], [one.variables[name] for name in names]))
    s3 = boto3.client("s3", endpoint_url=one.variables["AWS_ENDPOINT_URL"], region_name="us-east-1", **access)
    kinds = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="cloudyknight"):
        for found in page.get("Contents", []):
            kind = kinds.setdefault(found["Key"].split("/")[0], {"objects": 0, "bytes": 0})
            kind["objects"] += 1
            kind["bytes"] += found["Size"]
    return kinds


def releases():
    """Bytes for `RELEASES` releases of a workspace of 5 MB in 200 files, of which one changes each time."""
    chance = random.Random(7)
    text = lambda: "".join(chance.choices("abcdefghij \n", k=SIZE))  # noqa: E731
    files = {f"file-{number}.txt": text() for number in range(FILES - 1)} | {"index.html": "release first\n"}
    with folder(files) as path, platform({"keep_releases": RELEASES + 10}) as one:
        one.aws("sync", path, "s3://workspaces/app")
        one.until_answers("/app/", "release first")
        one.cli("wait", "app")
        for number in range(1, RELEASES):
            pathlib.Path(path, "index.html").write_text(f"release {number}\n")
            # A small change somewhere else as well.
            changed = pathlib.Path(path, f"file-{chance.randrange(FILES - 1)}.txt")
            changed.write_text(changed.read_text() + f"{number}\n")
            one.aws("sync", path, "s3://workspaces/app")
            one.until_answers("/app/", f"release {number}\n")
            one.cli("wait", "app")
        kinds = kept(one)
        known = {record["release"] for record in json.loads(one.cli("history", "app", "--json"))["deployments"]}
    workspace = sum(len(text) for text in files.values())
    total = sum(part["bytes"] for part in kinds.values())
    return {
        "releases in the history": len(known),
        "workspace, bytes": workspace,
        "platform bucket": kinds,
        "all of it, in workspaces": round(total / workspace, 2),
    }


@contextlib.contextmanager
def beside(one, *arguments):
    """A command of the CLI, while its effect is watched from outside."""
    command = subprocess.Popen([BINARY, *arguments], env=one.environment, stdout=subprocess.DEVNULL)
    yield
    if command.wait() != 0:
        raise SystemExit(f"cloudyknight {' '.join(arguments)} failed")


def rollback():
    """Of an app that mounts its source, and of one that is built from it."""
    return {"mounted": there_and_back(), "built": there_and_back(BUILT)}


def there_and_back(more=()):
    """From the start of the command to the first answer of the old version, beside a redeploy of the same change."""
    forth, back, lives, wholes = [], [], [], []
    with platform() as one, deployed(one, more) as path:
        first = json.loads(one.cli("status", "app", "--json"))["release"]
        for round_ in range(ROUNDS):
            pathlib.Path(path, "index.js").write_text(server(round_))
            began = time.monotonic()
            one.aws("cp", f"{path}/index.js", "s3://workspaces/app/index.js")
            pushed = time.monotonic()
            live = one.until_answers("/app/", f"version {round_}\n")
            lives.append((live - pushed) * 1000)
            wholes.append((live - began) * 1000)
            one.cli("wait", "app")
            for samples, text, arguments in [
                (back, "version first\n", ("rollback", "app", first)),
                (forth, f"version {round_}\n", ("unpin", "app")),
            ]:
                began = time.monotonic()
                with beside(one, *arguments):
                    samples.append((one.until_answers("/app/", text) - began) * 1000)
    return {
        "rollback, from the start of the command": spread(back),
        "unpin, from the start of the command": spread(forth),
        "redeploy, from the exit of aws": spread(lives),
        "redeploy, from the start of aws": spread(wholes),
    }
