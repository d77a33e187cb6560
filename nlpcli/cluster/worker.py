"""What runs on the nodes: one process a processor, which makes its function once and then does item after item.

The class is defined inside a function so that Ray sends its code and not its name: a node where nlpcli is missing, or is of
another version, can then say so.
"""

from __future__ import annotations

from typing import Any


def worker_class(ray: Any) -> Any:
    """Return the class of a worker that takes one processor of the cluster; a lost one is not started again by Ray."""

    class Worker:
        def hello(self, names: list[str]) -> tuple[str, dict[str, str]]:
            """Return the names of node and process, and the versions of those of the packages that are there."""
            import os
            import socket
            from importlib import metadata

            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                os.environ[name] = "1"  # before numpy and torch are loaded: a worker has one processor
            versions = {}
            for name in names:
                try:
                    versions[name] = metadata.version(name)
                except metadata.PackageNotFoundError:
                    continue
            if "nlpcli" in versions:
                import nlpcli

                versions["nlpcli"] = nlpcli.__version__  # what runs, be it installed or not
            node = ray.get_runtime_context().get_node_id()[:8]
            address = ray.util.get_node_ip_address()
            return f"{socket.gethostname()} ({address}, node {node}, process {os.getpid()})", versions

        def build(self, make: Any, folders: list[Any]) -> tuple[bool, Any]:
            """Make the function of `folders` on this node; give back what was raised instead of a success."""
            try:
                from nlpcli.cluster.folders import on_this_node

                with on_this_node(ray, folders) as paths:
                    self.function = make(paths)
                return True, None
            except Exception as e:
                return False, e

        def work(self, item: Any) -> tuple[bool, Any]:
            """Return the function's result for an item, or what it raised."""
            try:
                return True, self.function(item)
            except Exception as e:
                return False, e

    return ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
