#!/usr/bin/env python3
"""Chromium that hears of no change of the machine's networks: it would give up on whatever it is about to ask for, and in
these tests containers and their networks come and go all the time. It hears of them by a netlink socket, which the kernel
refuses it here; then it takes the machine for being online."""

import ctypes
import os
import platform
import struct
import sys

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
NETLINK = 16
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 97  # EAFNOSUPPORT
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06

# Of `struct seccomp_data`: the number of the call at 0, its first argument at 16.
PROGRAM = [
    (LOAD, 0, 0, 0),
    (IF_EQUAL, 0, 3, SOCKET),
    (LOAD, 0, 0, 16),
    (IF_EQUAL, 0, 1, NETLINK),
    (RETURN, 0, 0, REFUSE),
    (RETURN, 0, 0, ALLOW),
]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

code = b"".join(struct.pack("HBBI", *one) for one in PROGRAM)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HP", len(PROGRAM), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
    sys.exit(f"the kernel takes no filter: {os.strerror(ctypes.get_errno())}")
os.execvp("chromium", ["chromium", *sys.argv[1:]])
