"""``transformers serve`` as a process of its own."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

needs_server = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")),
    reason="transformers serve needs fastapi and uvicorn",
)


@contextmanager
def served_by_transformers(model, log_folder):
    """The base of its API, for a folder of weights."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "from transformers.cli.transformers import main; main()"
    words = ["serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = log_folder / "serve.txt"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("w") as stream:
        child = subprocess.Popen(
            [sys.executable, "-c", start, *words],
            stdout=stream,
            stderr=stream,
            env=environment,
        )
    try:
        for _ in range(600):
            assert child.poll() is None, log.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=20)
