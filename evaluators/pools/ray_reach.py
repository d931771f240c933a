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


def problem(address: str, seconds: float = SECONDS) -> str:
    """Why the cluster at `address` can't be used, "" if it can."""
    refused = _refused(address)
    if refused or address.startswith("ray://"):
        return refused  # Ray's client gives up by itself, after half a minute.
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
    """Why nobody listens at a host and port, "" if somebody does or none are named."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return ""
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
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
