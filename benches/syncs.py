"""How long a folder of 2,000 files takes to be in the bucket: `cloudyknight push` beside `aws s3 sync` and rclone, each
into a workspace of its own, taking turns on one platform."""

import contextlib
import os
import pathlib
import random
import subprocess
import tempfile
import time

from own_platform import BINARY, CLIENTS, platform
from samples import spread
from table import table

FILES = int(os.environ.get("CLOUDYKNIGHT_BENCH_FILES", "2000"))
ROUNDS = int(os.environ.get("CLOUDYKNIGHT_BENCH_SYNCS", "5"))
# As many uploads at the same time as `cloudyknight push` makes.
PARALLEL = 16


@contextlib.contextmanager
def files():
    """A static site: files of 200 bytes to 8 kB in folders of a hundred."""
    chance = random.Random(FILES)
    with tempfile.TemporaryDirectory(prefix="ck-bench-files-") as path:
        for number in range(FILES):
            folder = pathlib.Path(path, f"part-{number // 100:02}")
            folder.mkdir(exist_ok=True)
            pathlib.Path(folder, f"page-{number:04}.html").write_bytes(chance.randbytes(chance.randint(200, 8192)))
        pathlib.Path(path, "index.html").write_text("version first\n")
        yield path


class Tools:
    """Each takes a folder and a workspace, and answers when the bucket held all of it."""

    def __init__(self, one):
        self.one = one
        keys = {"access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}
        keys |= {"endpoint": "AWS_ENDPOINT_URL", "region": "AWS_REGION"}
        remote = {f"RCLONE_CONFIG_CK_{name.upper()}": one.variables[key] for name, key in keys.items()}
        remote |= {"RCLONE_CONFIG_CK_TYPE": "s3", "RCLONE_CONFIG_CK_PROVIDER": "Other", "RCLONE_CONFIG": "/dev/null"}
        self.environment = one.environment | remote

    def run(self, *command):
        subprocess.run([str(part) for part in command], env=self.environment, check=True, capture_output=True)
        return time.monotonic()

    def push(self, path, name):
        """The time of the line that says what was uploaded; it goes on until that is live."""
        command = [BINARY, "push", path, name]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as pushing:
            uploaded = None
            for line in pushing.stderr:
                if line.startswith("files uploaded:"):
                    uploaded = time.monotonic()
        if pushing.returncode != 0 or uploaded is None:
            raise SystemExit(f"cloudyknight push ended with {pushing.returncode}")
        return uploaded

    def aws(self, path, name):
        return self.run(CLIENTS / "aws", "s3", "sync", path, f"s3://workspaces/{name}", "--delete", "--only-show-errors")

    def rclone(self, path, name):
        return self.run(CLIENTS / "rclone", "sync", path, f"ck:workspaces/{name}")

    def rclone_parallel(self, path, name):
        """With as many transfers as push makes, and looking at checksums as push does."""
        more = ["--transfers", PARALLEL, "--checkers", PARALLEL, "--checksum"]
        return self.run(CLIENTS / "rclone", "sync", path, f"ck:workspaces/{name}", *more)

    def floor(self, path, name):
        """One program that only sends: curl, each request signed before the time begins."""
        with signed(self, path, name) as requests:
            began = time.monotonic()
            self.run("curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", PARALLEL, "--config", requests)
            return time.monotonic() - began


@contextlib.contextmanager
def signed(tools, path, name):
    """What curl reads: a presigned PUT for each file."""
    script = (
        "import boto3, sys, pathlib\n"
        "s3 = boto3.client('s3')\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).rglob('*.html')):\n"
        "    key = sys.argv[2] + '/' + str(file.relative_to(sys.argv[1]))\n"
        "    print(file, s3.generate_presigned_url('put_object', Params={'Bucket': 'workspaces', 'Key': key}))\n"
    )
    command = [str(CLIENTS / "python"), "-c", script, path, name]
    lines = subprocess.check_output(command, env=tools.environment, text=True).splitlines()
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as requests:
        for file, url in (line.split(" ", 1) for line in lines):
            requests.write(f'upload-file = "{file}"\nurl = "{url}"\noutput = "/dev/null"\n')
        requests.flush()
        yield requests.name


def push_2000():
    """All files; then the same again with nothing changed; then with one of them changed."""
    with platform() as one, files() as path:
        tools = Tools(one)
        named = {
            "cloudyknight push": tools.push,
            "aws s3 sync": tools.aws,
            "rclone sync": tools.rclone,
            f"rclone sync, {PARALLEL} transfers, checksums": tools.rclone_parallel,
        }
        kinds = ("all", "none", "one")
        samples = {name: {kind: [] for kind in kinds} for name in named}
        floor = []
        for round_ in range(ROUNDS):
            for number, (name, tool) in enumerate(named.items()):
                workspace = f"site-{round_}-{number}"
                for kind in kinds:
                    if kind == "one":
                        pathlib.Path(path, "index.html").write_text(f"version {round_} {number}\n")
                    began = time.monotonic()
                    samples[name][kind].append((tool(path, workspace) - began) * 1000)
                    one.cli("wait", workspace)
                one.cli("rm", workspace, "--yes")
            floor.append(tools.floor(path, f"site-{round_}-floor") * 1000)
            one.cli("wait", f"site-{round_}-floor")
            one.cli("rm", f"site-{round_}-floor", "--yes")
    rows = [["ms, median", f"{FILES + 1} files", "nothing changed", "one changed"]]
    spreads = {name: {kind: spread(samples[name][kind]) for kind in kinds} for name in named}
    for name, kind in spreads.items():
        rows.append([name, *(kind[one_]["median"] for one_ in kinds)])
    rows.append([f"floor: curl, {PARALLEL} at a time, signed before", spread(floor)["median"]])
    return spreads | {"floor: curl": spread(floor), "table": table(rows)}
