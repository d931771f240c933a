"""A real Ray of several nodes on this machine's loopback, for tests: nodes can be added and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray's workers are nice to all others by 15: on a loaded machine they would hardly run.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray writes it so
# With it, a server that Ray's proxy for clients starts dies now and then before it runs.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

STORE = 100 << 20
"""Bytes of each node's object store."""


class Nodes:
    """The head has no CPUs, so that no slot is on the node of the driver. With `clients`, drivers that are
    no node reach it at `client`.
    """

    def __init__(self, *, clients: bool) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE}
        if clients:
            with socket.create_server(("127.0.0.2", 0)) as free:
                head["ray_client_server_port"] = free.getsockname()[1]
            self.client = f"ray://127.0.0.2:{head['ray_client_server_port']}"
        self._cluster: Any = Cluster(
            initialize_head=True, head_node_args={**head, "node_ip_address": "127.0.0.2"}
        )

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, cpus: int = 1, **given: Any) -> Any:
        return self._cluster.add_node(
            num_cpus=cpus, object_store_memory=STORE, node_ip_address="127.0.0.2", **given
        )

    def kill(self, node: Any) -> None:
        """SIGKILL for the node's raylet, which takes its workers along."""
        for infos in node.all_processes.values():
            for info in infos:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(info.process.pid, signal.SIGKILL)

    def raylet(self, node: Any) -> int:
        """The process that all workers of a node descend from."""
        return int(node.all_processes["raylet"][0].process.pid)

    def close(self) -> None:
        self._cluster.shutdown()


@contextlib.contextmanager
def ray_nodes(*cpus: int, clients: bool = False) -> Iterator[Nodes]:
    nodes = Nodes(clients=clients)
    try:
        for count in cpus:
            nodes.add(count)
        yield nodes
    finally:
        nodes.close()
