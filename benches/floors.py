"""What a push to live is compared with: the same server, started by hand."""

import contextlib
import os
import socket
import subprocess
import time

from source import folder, server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_connects(address):
    while True:
        with contextlib.suppress(OSError):
            return socket.create_connection(address, timeout=1).close()
        time.sleep(0.001)


def bare_node(rounds):
    """From starting node on this machine to its first answer, without a container."""
    samples = []
    for round_ in range(rounds):
        with folder({"index.js": server(round_)}) as path:
            port = free_port()
            began = time.monotonic()
            process = subprocess.Popen(["node", f"{path}/index.js"], env=os.environ | {"PORT": str(port)})
            try:
                until_connects(("127.0.0.1", port))
                samples.append((time.monotonic() - began) * 1000)
            finally:
                process.kill()
                process.wait()
    return samples


def docker_run(rounds):
    """From `docker run` of the same app until it answers: what Docker costs by itself."""
    samples = []
    for round_ in range(rounds):
        with folder({"index.js": server(round_)}) as path:
            os.chmod(path, 0o755)
            began = time.monotonic()
            command = ["docker", "run", "--rm", "--detach", "--init", "--volume", f"{path}:/workspace:ro"]
            container = subprocess.check_output([*command, "workspace-node-ephemeral:latest"], text=True).strip()
            try:
                inspect = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container]
                address = subprocess.check_output(inspect, text=True).strip()
                until_connects((address, 3000))
                samples.append((time.monotonic() - began) * 1000)
            finally:
                subprocess.run(["docker", "rm", "--force", container], capture_output=True)
    return samples
