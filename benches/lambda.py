#!/usr/bin/env python3
"""Measures the functions as Lambda would run them: the built zips under cargo-lambda's emulator, on Ministack's queues
and buckets.

    functions/build.sh                          # the zips, and cargo-lambda
    ./test.sh --backend ministack --no-run      # Ministack and boto3
    target/test-clients/bin/python benches/lambda.py

CLOUDYKNIGHT_BENCH_COLD and CLOUDYKNIGHT_BENCH_WARM say how often each is measured: 10 and 50, unless they do.

Prints JSON. For each function: the size of its zip, the time from the start of its process to its first answer (cold)
and of an answer after that (warm), medians in milliseconds, and the most memory that the process ever had. What it
answers is checked as well, and what is then on the queues and in the buckets.

What Lambda itself adds to a cold start, fetching the zip and starting a machine, is not in these figures, nor is TLS:
Ministack speaks plain HTTP.
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import zipfile

import boto3

ROOT = pathlib.Path(__file__).resolve().parent.parent
ZIPS = pathlib.Path(os.environ.get("CLOUDYKNIGHT_BENCH_ZIPS", ROOT / "target/lambda"))
SERVERS = pathlib.Path(os.environ.get("CLOUDYKNIGHT_TEST_SERVERS", ROOT / "target/test-servers"))
TOOLS = ROOT / "target/lambda-tools/bin"
# How often each is measured.
COLD = int(os.environ.get("CLOUDYKNIGHT_BENCH_COLD", 10))
WARM = int(os.environ.get("CLOUDYKNIGHT_BENCH_WARM", 50))
TOKEN = "correct-horse"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, patience=60):
    end = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"waited {patience} s for {what}")
        time.sleep(0.02)
    return result


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def server(folder, port, command, environment, cwd):
    """A server in a group of its own, ended with all that it started. Its log stays out of the folder it watches."""
    with open(folder / f"{port}.log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"{command[0]} on port {port}", lambda: answers(port))
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def stub_project(folder):
    """The emulator wants a Cargo project, and searches all of it before it answers: so it gets one without content."""
    (folder / "src/bin").mkdir(parents=True)
    (folder / "Cargo.toml").write_text('[package]\nname = "stub"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n')
    for name in FUNCTIONS:
        (folder / f"src/bin/{name}.rs").write_text("fn main() {}\n")
    return folder


class Cloud:
    def __init__(self, endpoint):
        access = dict(
            endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.s3, self.sqs = boto3.client("s3", **access), boto3.client("sqs", **access)
        for bucket in ("workspaces", "cloudyknight"):
            self.s3.create_bucket(Bucket=bucket)
        self.events = self.sqs.create_queue(QueueName="events")["QueueUrl"]
        self.commands = self.sqs.create_queue(QueueName="commands.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "WORKSPACES_BUCKET": "workspaces",
            "PLATFORM_BUCKET": "cloudyknight",
            "EVENTS_QUEUE_URL": self.events,
            "COMMANDS_QUEUE_URL": self.commands,
            "INGEST_TOKEN": TOKEN,
        }

    def taken(self, queue):
        """All messages, taken off."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def notification(key, source="aws:s3"):
    record = {
        "eventVersion": "2.1",
        "eventSource": source,
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "workspaces"}, "object": {"key": key, "size": 5}},
    }
    return json.dumps({"Records": [record]})


def sqs_event(queue, number, bodies):
    arn = f"arn:aws:sqs:us-east-1:000000000000:{queue}"
    records = [
        {"messageId": f"{queue}-{number}-{at}", "receiptHandle": "r", "body": body, "eventSourceARN": arn}
        for at, body in enumerate(bodies)
    ]
    return {"Records": records}


class ObjectChanged:
    """Batches of ten, of one workspace each."""

    def event(self, number):
        return sqs_event("events", number, [notification(f"app-{number}/{at}") for at in range(10)])

    answer = {"batchItemFailures": []}

    def check(self, cloud, count):
        commands = [json.loads(body) for body in cloud.taken(cloud.commands)]
        assert len(commands) == count, (len(commands), count)
        assert all(len(command["traceparent"]) == 55 for command in commands)


class Sweep:
    """Ten workspaces that nobody has deployed; the queue drops what it was told already."""

    def prepare(self, cloud):
        for at in range(10):
            cloud.s3.put_object(Bucket="workspaces", Key=f"lost-{at}/index.html", Body=b"x")

    def event(self, number):
        return {"source": "aws.events"}

    answer = {"workspaces": 10, "drifted": [f"lost-{at}" for at in range(10)]}

    def check(self, cloud, count):
        assert len(cloud.taken(cloud.commands)) == 10


class DeadLetter:
    """One message at a time."""

    def event(self, number):
        return sqs_event("events-dead", number, ["hello"])

    answer = {"batchItemFailures": []}

    def check(self, cloud, count):
        pages = cloud.s3.get_paginator("list_objects_v2").paginate(Bucket="cloudyknight", Prefix="dead-letters/")
        assert sum(len(page.get("Contents", [])) for page in pages) == count


class Ingest:
    """One event at a time, as MinIO posts it."""

    def event(self, number):
        return {
            "version": "2.0",
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "headers": {"authorization": f"Bearer {TOKEN}"},
            "body": notification(f"app%2F{number}", "minio:s3"),
            "isBase64Encoded": False,
        }

    answer = {"statusCode": 200}

    def check(self, cloud, count):
        assert len(cloud.taken(cloud.events)) == count


FUNCTIONS = {"object_changed": ObjectChanged(), "sweep": Sweep(), "dead_letter": DeadLetter(), "ingest": Ingest()}


class Emulator:
    def __init__(self, port, project):
        self.port, self.project = port, project

    def start(self, name, binary, environment):
        return subprocess.Popen(
            [binary],
            env=environment
            | {
                "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.port}/.rt/{name}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "RUST_LOG": "error",
            },
            stdout=subprocess.DEVNULL,
        )

    def post(self, name, event):
        """Begins an invocation; the answer is read from what it returns."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", f"/2015-03-31/functions/{name}/invocations", json.dumps(event))
        return connection

    def invoke(self, name, event):
        """The same with cargo-lambda's own client."""
        done = subprocess.run(
            [TOOLS / "cargo-lambda", "lambda", "invoke", "-A", "127.0.0.1", "-P", str(self.port), name]
            + ["--data-ascii", json.dumps(event)],
            cwd=self.project,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise SystemExit(f"cargo lambda invoke {name} failed:\n{done.stderr}")
        return json.loads(done.stdout)


def measured(emulator, cloud, name, function, binary):
    if hasattr(function, "prepare"):
        function.prepare(cloud)
    sent, cold, warm, memory = 0, [], [], []

    def checked(answer):
        told = {key: answer.get(key) for key in function.answer}
        assert told == function.answer, f"{name} answered {answer}"

    def timed(begun, connection):
        response = connection.getresponse()
        answer = json.loads(response.read())
        elapsed = (time.perf_counter() - begun) * 1000
        connection.close()
        checked(answer)
        return elapsed

    for round in range(COLD):
        # The event waits for the function, as it does where Lambda starts one for it.
        connection = emulator.post(name, function.event(sent))
        sent += 1
        begun = time.perf_counter()
        process = emulator.start(name, binary, cloud.environment)
        try:
            cold.append(timed(begun, connection))
            if round == COLD - 1:
                checked(emulator.invoke(name, function.event(sent)))
                sent += 1
                for _ in range(WARM):
                    begun = time.perf_counter()
                    warm.append(timed(begun, emulator.post(name, function.event(sent))))
                    sent += 1
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            memory.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        finally:
            process.kill()
            process.wait()
    function.check(cloud, sent)
    return {
        "zip_kb": round_to((ZIPS / name / "bootstrap.zip").stat().st_size / 1000),
        "binary_kb": round_to(binary.stat().st_size / 1000),
        "cold_ms": round_to(statistics.median(cold)),
        "cold_ms_worst": round_to(max(cold)),
        "warm_ms": round_to(statistics.median(warm)),
        "warm_ms_worst": round_to(max(warm)),
        "memory_mb": round_to(max(memory)),
        "memory_mb_after_one": round_to(memory[0]),
    }


def round_to(figure):
    return round(figure, 1)


def unpacked(name, folder):
    archive = ZIPS / name / "bootstrap.zip"
    if not archive.is_file():
        raise SystemExit(f"there is no {archive}\nhint: functions/build.sh makes it")
    (folder / name).mkdir()
    with zipfile.ZipFile(archive) as zipped:
        binary = pathlib.Path(zipped.extract("bootstrap", folder / name))
    binary.chmod(0o755)
    return binary


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ck-lambda-"))
    ministack, emulated = free_port(), free_port()
    project = stub_project(folder / "project")
    apart = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(ministack), "TMPDIR": str(folder)}
    apart |= {"STATE_DIR": str(folder / "state"), "S3_DATA_DIR": str(folder / "s3")}
    watch = ["lambda", "watch", "--only-lambda-apis", "--ignore-changes", "-A", "127.0.0.1", "-P", str(emulated)]
    try:
        with (
            server(folder, ministack, [SERVERS / "ministack/bin/ministack"], apart, folder),
            server(folder, emulated, [TOOLS / "cargo-lambda", *watch], {}, project),
        ):
            cloud, emulator = Cloud(f"http://127.0.0.1:{ministack}"), Emulator(emulated, project)
            figures = {
                name: measured(emulator, cloud, name, function, unpacked(name, folder))
                for name, function in FUNCTIONS.items()
            }
            print(json.dumps({"load_average": os.getloadavg()[0], "functions": figures}, indent=2))
    finally:
        shutil.rmtree(folder)


main()
