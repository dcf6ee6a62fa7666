"""Functions for the guard's child: each misbehaves in one way."""

import os
import re
import sys
import time

KEPT = []


def work(item, config):
    kind = item[0] if isinstance(item, tuple) else item
    if kind == "abort":
        os.abort()
    if kind == "segfault":
        import ctypes

        ctypes.string_at(0)
    if kind == "swell":
        while True:
            KEPT.append(bytes(16 << 20))  # calloc: address space without the time to fill it
    if kind == "leak":
        KEPT.append(bytearray(100 << 20))
        return "leaked"
    if kind == "spin":
        while True:
            pass
    if kind == "native spin":
        return re.match("(a+)+$", "a" * 60 + "b")
    if kind == "slow":
        end = time.process_time() + 0.6
        while time.process_time() < end:
            pass
        return "slow"
    if kind == "sleep":
        time.sleep(600)
    if kind == "raise":
        raise ValueError(f"bad thing {object()!r}\nsecond line")
    if kind == "recurse":
        return work(item, config)
    if kind == "exit":
        os._exit(0)
    if kind == "sys.exit":
        sys.exit(3)
    if kind == "print":
        print("noise on stdout", flush=True)
        os.write(1, b"more noise")
        return "printed"
    if kind == "lambda":
        return lambda: 0
    if kind == "rubbish":
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"\xff" * 64)
            except OSError:
                continue
    if kind == "big":
        return b"x" * item[1]
    if kind == "pid":
        return os.getpid()
    if kind == "stdin":
        return sys.stdin.read()
    return kind, config


class Unreadable:
    def __reduce__(self):
        return (int, ("not a number",))


def unreadable(item, config):
    return Unreadable()
