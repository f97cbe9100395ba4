"""A platform of its own: its own home, addresses and label, gone at the end with all that it made."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

from ports import Ports

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("CLOUDYKNIGHT_BENCH_BIN", str(ROOT / "target/release/cloudyknight"))
CLIENTS = ROOT / "target/test-clients/bin"


class Platform:
    def __init__(self, settings, variables):
        self.home = tempfile.mkdtemp(prefix="ck-bench-")
        self.ports = Ports()
        self.edge = ("127.0.0.1", self.ports.port(1))
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CLOUDYKNIGHT_"))}
        self.environment = clean | variables | {
            "CLOUDYKNIGHT_HOME": self.home,
            "CLOUDYKNIGHT_S3_LISTEN": self.ports.address(0),
            "CLOUDYKNIGHT_API_LISTEN": self.ports.address(2),
            "CLOUDYKNIGHT_EDGE_LISTEN": self.ports.address(1),
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        self.configure(settings)

    def configure(self, settings):
        """What its next start goes by."""
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
        pathlib.Path(self.home, "config.toml").write_text("".join(lines))

    def up(self):
        self.cli("up")
        self.variables = json.loads(self.cli("env", "--json"))
        self.environment |= {k: v for k, v in self.variables.items() if k.startswith("AWS_")}

    def cli(self, *arguments):
        done = subprocess.run([BINARY, *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"cloudyknight {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def api(self, path):
        headers = {"Authorization": f"Bearer {self.variables['CLOUDYKNIGHT_TOKEN']}"}
        request = urllib.request.Request(self.variables["CLOUDYKNIGHT_API"] + path, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

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
        down = [BINARY, "down", "--purge", "--yes"]
        done = subprocess.run(down, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"cloudyknight down --purge failed, its home stays: {self.home}\n{done.stderr}", flush=True)
        else:
            shutil.rmtree(self.home, ignore_errors=True)
        self.ports.close()


@contextlib.contextmanager
def platform(settings=None, variables=None):
    """One that runs. `settings` go to its config.toml, `variables` to its processes."""
    one = Platform(settings or {}, variables or {})
    try:
        one.up()
        yield one
    finally:
        one.close()
