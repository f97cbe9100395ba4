"""The servers of other people that a platform can stand on, each with buckets and queues in it, and the settings that
send a platform there; as the tests have them (tests/src/server, tests/src/backend.rs). `./test.sh` installs them."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from own_platform import CLIENTS, ROOT
from ports import Ports

INSTALLED = pathlib.Path(os.environ.get("CLOUDYKNIGHT_TEST_SERVERS", ROOT / "target/test-servers"))
HOOKS = ROOT / "localstack/init/ready.d"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
PATIENCE = 120


class Server:
    name, program, arguments, ready = None, None, [], None
    account = "000000000000"
    hooks = ["10-buckets.py", "20-queues.py"]
    queues = ["events", "commands"]

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"ck-bench-{self.name}-"))
        self.ports = Ports()
        self.endpoint = f"http://{self.ports.address(0)}"
        self.process = None

    def environment(self):
        return {}

    def prepare(self):
        """What it finds in its folder."""
        return []

    def start(self):
        program = INSTALLED / self.name / "bin" / self.program
        if not program.is_file():
            raise SystemExit(f"there is no {program}\nhint: `./test.sh --backend {self.name} --no-run` installs it")
        arguments = [*self.arguments, *self.prepare()]
        base = {"HOME": str(self.folder), "LANG": "C.UTF-8", "PATH": os.environ["PATH"], "TMPDIR": str(self.folder)}
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                # Should this script be ended without a word, the server ends with it.
                ["setpriv", "--pdeathsig", "KILL", "--", program, *arguments],
                cwd=self.folder, env=base | self.environment(), stdout=log, stderr=log, start_new_session=True,
            )
        self.until_ready()
        for hook in self.hooks:
            settings = CREDENTIALS | {"AWS_ENDPOINT_URL": self.endpoint, "PATH": os.environ["PATH"]}
            subprocess.run([CLIENTS / "python", HOOKS / hook], env=settings, check=True)

    def until_ready(self):
        path, expected = self.ready
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if answered(self.endpoint + path) == expected:
                    return
            time.sleep(0.05)
        log = (self.folder / "log").read_text(errors="replace").splitlines()
        raise SystemExit("\n".join([f"{self.name} did not start; the end of its log:", *log[-30:]]))

    def queue(self, name):
        return f"{self.endpoint}/{self.account}/{name}"

    def settings(self):
        events = self.queue("events") if "events" in self.queues else "none"
        commands = self.queue("commands.fifo") if "commands" in self.queues else "embedded"
        return {"store": self.endpoint, "region": "us-east-1", "events": events, "commands": commands}

    def close(self):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ports.close()


def answered(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class LocalStack(Server):
    name, program, arguments = "localstack", "python", ["-m", "localstack.runtime.main"]
    ready = ("/_localstack/health", 200)

    def environment(self):
        return {
            "FILESYSTEM_ROOT": str(self.folder),
            "GATEWAY_LISTEN": self.ports.address(0),
            "SERVICES": "s3,sqs",
            "OVERRIDE_IN_DOCKER": "0",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            # The usual one listens on every address, whatever it is told.
            "GATEWAY_SERVER": "hypercorn",
        }


class Moto(Server):
    name, program, ready = "moto", "moto_server", ("/moto-api/", 200)
    account = "123456789012"
    # A poll there goes by what was in flight when it began, so that a command which follows another waits for its end.
    queues = ["events"]

    def prepare(self):
        return ["-H", "127.0.0.1", "-p", str(self.ports.port(0))]


class Ministack(Server):
    name, program, ready = "ministack", "ministack", ("/_ministack/health", 200)

    def environment(self):
        return {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.ports.port(0)),
            "STATE_DIR": str(self.folder / "state"),
            "S3_DATA_DIR": str(self.folder / "s3"),
        }


class SeaweedFs(Server):
    """Sends no notifications: what is pushed is found by the sweep."""

    name, program = "seaweedfs", "weed"
    # Whoever says no to strangers is there.
    ready = ("/", 403)
    arguments = ["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=data", "-s3", "-s3.config=s3.json"]
    arguments += ["-s3.iam=false", "-master.volumeSizeLimitMB=128", "-volume.max=50", "-filer"]
    hooks, queues = ["10-buckets.py"], []

    def prepare(self):
        identity = {
            "name": "test",
            "credentials": [{"accessKey": "test", "secretKey": "test"}],
            "actions": ["Admin"],
        }
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (self.folder / "data").mkdir()
        # Each part wants two ports, and takes fixed ones unless it is told.
        ports = ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        for part, at in [("s3", 0), ("master", 2), ("volume", 4), ("filer", 6)]:
            ports += [f"-{part}.port={self.ports.port(at)}", f"-{part}.port.grpc={self.ports.port(at + 1)}"]
        return ports

    def settings(self):
        return super().settings() | {"sweep_interval_s": 1}


@contextlib.contextmanager
def running(kind):
    server = kind()
    try:
        server.start()
        yield server
    finally:
        server.close()
