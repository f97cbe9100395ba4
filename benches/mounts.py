"""From the end of a save in the mounted folder to the first answer of the new version; beside it the same file, put with
S3 in the same run, which is as fast as a save could be."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from own_platform import CLIENTS, platform
from samples import ROUNDS, spread
from source import deployed, server


@contextlib.contextmanager
def mounted(one):
    """The workspaces of a platform, mounted; gives the folder."""
    parent = tempfile.mkdtemp(prefix="ck-bench-mount-")
    folder = pathlib.Path(parent, "workspaces")
    one.cli("mount", str(folder))
    try:
        yield folder
    finally:
        one.cli("unmount", "--lazy")
        shutil.rmtree(parent)


def s3_of(one):
    """A client that is there already: what starting one takes is not what is measured."""
    import boto3

    names = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    keys = {name: one.variables[variable] for name, variable in names.items()}
    return boto3.client(
        "s3", endpoint_url=one.variables["AWS_ENDPOINT_URL"], region_name=one.variables["AWS_REGION"], **keys
    )


def rename(path, text):
    """As a program that never leaves half a file."""
    beside = path.with_name(".beside")
    beside.write_text(text)
    os.replace(beside, path)


def until_live(one, text, began):
    live = (one.until_answers("/app/", text) - began) * 1000
    # The next save is not to meet what is still under way.
    one.cli("wait", "app")
    return live


def mount():
    """Saves by writing and by renaming, and puts, by turns: they see the same machine."""
    variables = {"CLOUDYKNIGHT_RCLONE": str(CLIENTS / "rclone")}
    closes, renames, puts, stored, wrong = [], [], [], [], 0
    with platform(variables=variables) as one, deployed(one), mounted(one) as folder:
        s3 = s3_of(one)
        path = folder / "app" / "index.js"
        for round_ in range(ROUNDS):
            text = server(f"closed {round_}")
            path.write_text(text)
            closed = time.monotonic()
            while s3.get_object(Bucket="workspaces", Key="app/index.js")["Body"].read() != text.encode():
                time.sleep(0.001)
            stored.append((time.monotonic() - closed) * 1000)
            closes.append(until_live(one, f"closed {round_}\n", closed))

            rename(path, server(f"renamed {round_}"))
            renames.append(until_live(one, f"renamed {round_}\n", time.monotonic()))

            text = server(f"put {round_}")
            s3.put_object(Bucket="workspaces", Key="app/index.js", Body=text.encode())
            put = time.monotonic()
            wrong += path.read_text() != text
            puts.append(until_live(one, f"put {round_}\n", put))
        version = subprocess.check_output([str(CLIENTS / "rclone"), "version"], text=True).splitlines()[0]
    print(f"{ROUNDS} rounds: done", file=sys.stderr, flush=True)
    return {
        "close to live": spread(closes),
        "of which close to bucket": spread(stored),
        "rename to live": spread(renames),
        "floor: the answer of an S3 PUT to live": spread(puts),
        "first reads after a PUT that were not what was put": wrong,
        "with": version,
    }
