"""Runs `docker-compose config` (1.x) in each folder that is named, in a process of its own, without starting Python
anew each time. Leaves what it printed in the files `out` and `err` beside the folder, and its exit code in `code`."""

import os
import sys

from compose.cli.main import main

for folder in sys.argv[1:]:
    beside = os.path.dirname(folder)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        for name, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(os.path.join(beside, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv = ["docker-compose", "config"]
        main()
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    with open(os.path.join(beside, "code"), "w") as file:
        file.write(str(os.waitstatus_to_exitcode(status)))
