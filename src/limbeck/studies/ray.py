"""Runs as tasks of a Ray cluster: lost workers are replaced, results come back to the study."""

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from limbeck.console import say
from limbeck.errors import LimbeckError, RequestError
from limbeck.files import digest
from limbeck.studies.executors import Job, Told
from limbeck.studies.spec import RayCluster

_ANSWER_SECONDS = 10


class RayExecutor:
    """One Ray task a run, with the cores and GPUs it asks for.

    A task works in a folder of its node. Runs on one node share what they have in common there; a
    node of its own makes it again, with the same result. When it is done, the finished run is
    packed and comes back, through Ray or through a storage that all nodes reach.

    Args:
        spec: Address, resources, retries, storage.

    Raises:
        RequestError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, spec: RayCluster):
        self.spec = spec
        try:
            import ray
        except ImportError:
            raise RequestError(
                "Ray is not installed",
                where="executor.kind: ray",
                mend='pip install "limbeck[ray]", or executor: local',
            ) from None
        self.ray = ray
        if spec.address is not None and not ray.is_initialized():
            _reach(spec.address)

    def run(self, jobs: Sequence[Job], told: Told) -> None:
        """See `Executor.run`."""
        own = self._connect()
        try:
            self._run(jobs, told)
        finally:
            if own:
                self.ray.shutdown()

    def _connect(self) -> bool:
        """Join the cluster, or start one here; whether it is ours to leave."""
        if self.ray.is_initialized():
            return False
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = self.spec.address
        try:
            self.ray.init(
                address=address,
                log_to_driver=False,
                configure_logging=False,
                include_dashboard=None if address else False,
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise RequestError(
                f"no Ray cluster answers: {str(error).strip().splitlines()[0]}",
                where=f"executor.address: {address}",
                mend="check the address and that the cluster runs (ray status), or leave it out to "
                "start one here",
            ) from error
        return True

    def _run(self, jobs: Sequence[Job], told: Told) -> None:
        ray, spec = self.ray, self.spec
        nodes = [n for n in ray.nodes() if n["Alive"]]
        say(f"Ray: {len(nodes)} nodes, {ray.cluster_resources().get('CPU', 0):g} cores")
        remote = ray.remote(
            num_cpus=spec.cpus, num_gpus=spec.gpus, max_retries=spec.retries, retry_exceptions=False
        )(done_elsewhere)
        waiting: dict[Any, Job] = {}
        for job in jobs:
            recipe = job.recipe.read_text(encoding="utf-8")
            threads = max(1, int(spec.cpus))
            reference = remote.remote(_place_of(job), job.id, recipe, threads, spec.storage)
            waiting[reference] = job
            told(job, "running")
        try:
            while waiting:
                ready, _ = ray.wait(list(waiting), timeout=1.0)
                for reference in ready:
                    job = waiting.pop(reference)
                    told(job, "done" if self._collect(reference, job) else "failed")
        except BaseException:
            for reference in waiting:
                with suppress(Exception):
                    ray.cancel(reference, force=True)
            raise

    def _collect(self, reference: Any, job: Job) -> bool:
        """Put a finished run into its folder; of a failed one, its log."""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            log, packed = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            job.log.write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8")
            return False
        job.log.write_text(log, encoding="utf-8")
        if packed is None:
            return False
        try:
            unpack(_fetched(packed) if isinstance(packed, str) else packed, job.folder)
        except (LimbeckError, OSError, tarfile.TarError) as error:
            job.log.write_text(
                f"{log}\nit was finished, and cannot be put here: {error}\n", "utf-8"
            )
        return job.done


def _place_of(job: Job) -> str:
    """Of a study on a node: this one's, begun when it was. One that is begun anew finds nothing old."""
    began = job.shared.parent / "registered.json"
    when = json.loads(began.read_text(encoding="utf-8"))["when"] if began.exists() else ""
    return digest(str(job.shared.resolve()), when)


def _reach(address: str) -> None:
    """Is anybody there? Ray itself waits for minutes, and then ends the process.

    Raises:
        RequestError: Nobody answers.
    """
    place = address.removeprefix("ray://").split("?")[0]
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", or a name that only Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise RequestError(
            f"no Ray cluster answers: {error.strerror or error}",
            where=f"executor.address: {address}",
            mend="check the address and that the cluster runs (ray status), or leave it out to start "
            "one here",
        ) from error


def done_elsewhere(
    study: str, run: str, recipe: str, threads: int, storage: str | None
) -> tuple[str, bytes | str | None]:
    """Do one run on this node.

    Args:
        study: What tells the study from others on this node.
        run: Its id.
        recipe: Its recipe, as YAML.
        threads: Threads of its process.
        storage: Where finished runs are collected; None sends them back.

    Returns:
        What it printed, and the packed run, or where it is; None where it failed.
    """
    place = Path(tempfile.gettempdir()) / f"limbeck-study-{os.getuid()}" / study
    folder, file = place / "runs" / run, place / "recipes" / f"{run}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(recipe, encoding="utf-8")
    words = [
        "-m",
        "limbeck",
        "distill",
        str(file),
        f"output={folder}",
        "--shared",
        str(place / "shared"),
        "--quiet",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    while True:
        done = subprocess.run(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
        )
        # A process that outlived a lost worker may still hold the run: it is waited for.
        if done.returncode == 2 and "another process is working on this run" in done.stdout:
            time.sleep(2.0)
            continue
        break
    if not (folder / "results.json").exists() or done.returncode != 0:
        return done.stdout, None
    data = pack(folder)
    if storage is None:
        return done.stdout, data
    import fsspec

    where = f"{storage.rstrip('/')}/{run}.tar.gz"
    with fsspec.open(where, "wb") as stream:
        stream.write(data)
    return done.stdout, where


def pack(folder: Path) -> bytes:
    """A run without what only its own continuation needs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if relative.parts[0] not in ("checkpoints", ".lock"):
                archive.add(path, str(relative), recursive=False)
    return stream.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """The run at its place; ``results.json`` comes last, and says that all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        members = sorted(archive.getmembers(), key=lambda m: m.name == "results.json")
        for member in members:
            archive.extract(member, folder, filter="data")


def _fetched(where: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(where, "rb") as stream:
            data: bytes = stream.read()
            return data
    except OSError as error:
        raise LimbeckError(
            f"a finished run cannot be fetched: {error}", where=where, mend="check executor.storage"
        ) from error
