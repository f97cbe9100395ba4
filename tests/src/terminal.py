"""Runs a command on a pseudo-terminal, answers what it asks, and prints all that the terminal was sent.

The first argument is JSON: pairs of what to wait for and what to type then. The others are the command.
"""
import fcntl
import json
import os
import pty
import struct
import sys
import termios

answers = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
sent, answered = b"", 0
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # EIO: the command has ended
        break
    if not piece:
        break
    sent += piece
    if answers and answers[0][0].encode() in sent[answered:]:
        answered = len(sent)
        os.write(terminal, answers.pop(0)[1].encode())
_, status = os.waitpid(child, 0)
sys.stdout.buffer.write(sent)
sys.exit(os.waitstatus_to_exitcode(status))
