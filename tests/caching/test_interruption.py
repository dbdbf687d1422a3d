"""kill -9 of ``limbeck cache``, then the same command again: the same bytes."""

import multiprocessing
import os
import signal

import pytest

from run.tiny import _die_at, invoke, request, tree, write

from .tiny import TEACHER, WRITTEN


def _cache(folder, kill):
    """In a process of its own: make a cache of many small shards, and die on the way."""
    from limbeck.caching import writer

    os.chdir(folder)
    writer.write_cache.__defaults__ = (1200,)
    if kill is not None:
        _die_at(*kill)
    assert invoke("cache", "text.yaml", "-o", "c", "--k", "8").exit_code == 0


KILLS = {
    "text": ("limbeck.files:Journal.append", "teacher.jsonl", 3),
    "shard written, not noted": ("limbeck.files:Journal.append", "shards.jsonl", 3),
    "shard without its name": ("os:replace", "00004.safetensors.partial", 1),
    "before the manifest": ("os:replace", "cache.json", 1),
}


def _process(folder, kill=None):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["limbeck.run", "limbeck.training", "peft"])
    child = context.Process(target=_cache, args=(folder, kill))
    child.start()
    child.join(120)
    return child.exitcode


def _files(folder):
    kept = tree(folder)
    return {n: h for n, h in kept.items() if n.endswith(".safetensors") or n == "cache.json"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    write(folder / "text.yaml", request("runs/text", teacher=TEACHER, **WRITTEN))
    assert _process(folder) == 0
    return _files(folder / "c")


@pytest.mark.parametrize("name", [pytest.param("text", marks=pytest.mark.slow), *list(KILLS)[1:]])
def test_kill_and_run_again(undisturbed, tmp_path, name):
    """The same bytes as if nothing had happened."""
    write(tmp_path / "text.yaml", request("runs/text", teacher=TEACHER, **WRITTEN))
    assert _process(tmp_path, KILLS[name]) == -signal.SIGKILL
    assert not (tmp_path / "c" / "cache.json").exists()
    assert _process(tmp_path) == 0
    assert _files(tmp_path / "c") == undisturbed
    assert len(undisturbed) > 8
    assert not [p for p in (tmp_path / "c").rglob("*") if "partial" in p.name]
