"""Addresses on the loopback, held as the tests hold theirs (tests/src/addresses.rs): by the same locks, and below the
range out of which Linux numbers outgoing connections, so that nobody takes them while a process is away."""

import contextlib
import fcntl
import os
import pathlib
import socket
import tempfile

FIRST, EACH, COUNT = 20_000, 8, 1_000


class Ports:
    """A few that belong to one owner, until it lets them go or ends."""

    def __init__(self):
        claims = pathlib.Path(tempfile.gettempdir(), f"cloudyknight-test-ports-{os.geteuid()}")
        claims.mkdir(mode=0o700, exist_ok=True)
        for number in range(COUNT):
            claim = open(claims / str(number), "w")
            self.first = FIRST + number * EACH
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if all(is_free(self.first + at) for at in range(EACH)):
                    self.claim = claim
                    return
            claim.close()
        raise SystemExit("all ports are taken")

    def port(self, at):
        """One of them, counted from 0."""
        assert at < EACH, f"there are {EACH} ports"
        return self.first + at

    def address(self, at):
        return f"127.0.0.1:{self.port(at)}"

    def close(self):
        self.claim.close()


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False
