"""A study of seconds: two methods, a handful of rows; runs in this process, or in real ones."""

import yaml

from limbeck.recipe import load_recipe
from limbeck.run import distill
from limbeck.studies.spec import load_study
from run.tiny import STUDENT, request

TEACHER = {**STUDENT, "sft": {"training": {"max_steps": 12}}}


def write(tmp_path, name="study.yaml", **changes):
    """A study's file."""
    base = request("unused", baseline="sft", teacher=TEACHER, training__max_steps=4)
    del base["output"], base["method"]
    base["data"] = base["data"] | {"rows": 40, "validation_rows": 8, "test_rows": 16}
    found = {
        "base": base,
        "axes": {"method": ["kd", "revkd"]},
        "seeds": [0, 1],
        "executor": {"kind": "local", "processes": 1},
        "output": str(tmp_path / "out"),
    } | changes
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / name
    path.write_text(yaml.safe_dump(found, sort_keys=False))
    return path


def study(tmp_path, **changes):
    return load_study(write(tmp_path, **changes))


class Here:
    """An executor without processes; counts what it does, and may break.

    Args:
        fails: Told a job, whether it fails.
    """

    def __init__(self, fails=lambda job: False):
        self.fails, self.jobs = fails, []

    def run(self, jobs, told):
        from limbeck.console import console

        for job in jobs:
            self.jobs.append(job.id)
            told(job, "running")
            job.log.parent.mkdir(parents=True, exist_ok=True)
            if self.fails(job):
                job.log.write_text("Traceback\nit broke\n")
                told(job, "failed")
                continue
            quiet, console.quiet = console.quiet, True
            try:
                distill(load_recipe(job.recipe), shared=job.shared)
            finally:
                console.quiet = quiet
            told(job, "done" if job.done else "failed")


def told(table):
    """What a table says, without times, places and the machine."""
    columns = table.to_pydict()
    for name in ("wall_seconds", "train_seconds", "peak_memory_bytes"):
        columns.pop(name)
    return columns
