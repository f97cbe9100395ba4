"""What a platform can stand on, by name."""

import contextlib

from own_platform import platform
from servers import CREDENTIALS, LocalStack, Ministack, Moto, SeaweedFs, running

SERVERS = {kind.name: kind for kind in (LocalStack, Moto, Ministack, SeaweedFs)}


@contextlib.contextmanager
def platform_on(backend, **settings):
    """A platform on this, and the server, if it is one."""
    if backend == "embedded":
        with platform(settings) as one:
            yield one, None
        return
    with running(SERVERS[backend]) as behind, platform(behind.settings() | settings, CREDENTIALS) as one:
        yield one, behind
