"""Can a Ray cluster be reached? Run as `python -m evaluators.pools.ray_reach ADDRESS` by who wants to know.

In a process of its own, since Ray's own attempt goes on for minutes and can't be ended.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys

SECONDS = 25.0
GREETING_SECONDS = 10.0
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The client's preface and an empty frame of settings (RFC 9113, sections 3.4 and 6.5)."""


def problem(address: str, seconds: float = SECONDS) -> str:
    """Why the cluster at `address` can't be used, "" if it can."""
    refused = _refused(address)
    if refused or address.startswith("ray://"):
        return refused  # The client of one who does answer gives up by itself.
    command = [sys.executable, "-m", __name__, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:g} s"
    if not done.returncode:
        return ""
    said = done.stdout.strip().splitlines()
    return said[-1] if said else f"the attempt ended with status {done.returncode}"


def _refused(address: str) -> str:
    """Why nobody listens at a host and port, "" if somebody does or none are named. A server of Ray's clients
    speaks HTTP/2 (gRPC), so it answers a greeting; one that says nothing would keep Ray waiting for longer.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return ""
    try:
        with socket.create_connection((host, int(port)), timeout=GREETING_SECONDS) as connection:
            if address.startswith("ray://"):
                connection.sendall(GREETING)
                if not connection.recv(1):
                    return "the connection was closed"
    except TimeoutError:
        return f"no answer within {GREETING_SECONDS:g} s"
    except OSError as error:
        return str(error)
    return ""


def main() -> int:
    import ray

    try:
        ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # noqa: BLE001 - Ray says the same with ConnectionError, ValueError, RuntimeError
        sys.stdout.write(f"{' '.join(str(error).split())[:300]}\n")
        sys.stdout.flush()
        os._exit(1)
    # Leaving at once is enough: there is nothing to take down.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
