"""Files are whole or not there, journals survive a kill, and a full disk is a message."""

import contextlib
import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from limbeck import files
from limbeck.errors import LimbeckError
from limbeck.files import Journal, new_file, new_folder, write_json, write_text, writing


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def full(tmp_path):
    """A real file system of 256 KiB."""
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True)
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


# Whole or not there


def test_text_is_written_and_replaced(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_text(path, "ä\n")
    write_text(path, "ö")
    assert path.read_bytes() == "ö".encode() and names(path.parent) == ["b.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("broken", ["os.fsync", "os.replace", "os.chmod"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def refuse(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(broken, refuse)
    with pytest.raises(LimbeckError, match="disk is full"):
        write_json(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1} and names(tmp_path) == ["a.json"]


def test_text_reaches_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, f=original: (order.append(n), f(*a))[1])
    write_text(tmp_path / "a", "x")
    assert order == ["fsync", "replace"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": [float("-inf")]}])
def test_numbers_that_are_no_json(tmp_path, value):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", value)
    assert names(tmp_path) == []


def test_json_is_read_as_it_was_written(tmp_path):
    value = {"ä": [1, 0.1, None, True, "\n\u2028"]}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_breaks_half_way_never_takes_its_name(tmp_path, kind):
    path = tmp_path / "x"
    new = new_file if kind == "file" else new_folder

    def fill(partial, text):
        (partial if kind == "file" else partial / "inside").write_text(text)

    with pytest.raises(ZeroDivisionError), new(path) as partial:
        fill(partial, "half")
        raise ZeroDivisionError
    assert not path.exists()
    with new(path) as partial:
        fill(partial, "whole")
    with pytest.raises(ZeroDivisionError), new(path) as partial:
        fill(partial, "half of the next")
        raise ZeroDivisionError
    assert (path if kind == "file" else path / "inside").read_text() == "whole"
    with new(path) as partial:
        fill(partial, "next")
    assert names(tmp_path) == ["x"], "what was left of the broken attempt is gone"


def test_a_new_folder_holds_nothing_of_the_old_one(tmp_path):
    for name in ("a", "b"):
        with new_folder(tmp_path / "x") as partial:
            (partial / name).touch()
    assert names(tmp_path / "x") == ["b"]


# Journals


def entries(path, key="k"):
    journal = Journal(path, key)
    journal.close()
    return journal.entries


def test_a_journal_remembers(tmp_path):
    path = tmp_path / "deep" / "j.jsonl"
    journal = Journal(path, "k")
    journal.append([{"i": 0, "text": "ä\n"}, {"i": 1}])
    journal.append([{"i": 2}])
    journal.close()
    assert entries(path) == [{"i": 0, "text": "ä\n"}, {"i": 1}, {"i": 2}]
    again = Journal(path, "k")
    again.append([{"i": 3}])
    again.close()
    assert [e["i"] for e in entries(path)] == [0, 1, 2, 3]


def test_a_journal_of_other_work_is_started_anew(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path, "k")
    journal.append([{"i": 0}])
    journal.close()
    assert entries(path, "other") == []
    assert path.read_text() == '{"key": "other"}\n'
    assert entries(path, "k") == []


def test_a_torn_line_is_cut_off_wherever_it_tore(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path, "k")
    for i in range(3):
        journal.append([{"i": i, "text": f"é{i}"}])
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = max(0, whole[:cut].count(b"\n") - 1)
        again = Journal(path, "k")
        assert [e["i"] for e in again.entries] == list(range(complete)), cut
        again.append([{"i": i, "text": f"é{i}"} for i in range(complete, 3)])
        again.close()
        assert path.read_bytes() == whole, cut


@pytest.mark.parametrize(
    "content", [b"\x00\x01\xff\n", b"not json\n", b'["k"]\n', b'{"key": "k"}', b"\n\n"]
)
def test_a_file_that_is_no_journal_of_this_work_is_started_anew(tmp_path, content):
    path = tmp_path / "j"
    path.write_bytes(content)
    assert entries(path) == [] and path.read_text() == '{"key": "k"}\n'


def test_nothing_after_a_broken_line_is_believed(tmp_path):
    path = tmp_path / "j"
    path.write_text('{"key": "k"}\n{"i": 0}\n{"i": \n{"i": 2}\n')
    assert entries(path) == [{"i": 0}]
    assert path.read_text() == '{"key": "k"}\n{"i": 0}\n'


def test_entries_are_on_the_disk_when_append_returns(tmp_path, monkeypatch):
    synced = []
    original = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_size), original(fd)))
    journal = Journal(tmp_path / "j", "k")
    journal.append([{"i": 0}])
    assert synced[-1] == (tmp_path / "j").stat().st_size > 0
    before = len(synced)
    journal.append([{"i": 1}])
    assert len(synced) == before + 1
    journal.close()


# A full disk


def test_a_full_disk_is_a_message(full):
    write_text(full / "old", "old")
    with pytest.raises(LimbeckError) as caught:
        write_text(full / "old", "x" * 2**20)
    error = caught.value
    assert error.what == "the disk is full" and error.where == str(full / "old")
    assert "free space" in error.mend and error.exit_code == 1
    assert (full / "old").read_text() == "old" and names(full) == ["old"]


def test_a_journal_on_a_full_disk_goes_on_where_it_was(full):
    journal = Journal(full / "j", "k")
    with pytest.raises(LimbeckError, match="disk is full"):
        for i in range(10_000):
            journal.append([{"i": i, "text": "x" * 1000}])
    kept = len(journal.entries)
    assert kept > 100
    with contextlib.suppress(OSError):
        journal.close()
    assert [e["i"] for e in entries(full / "j")] == list(range(kept))
    command = ["mount", "-o", "remount,size=4m", str(full)]
    subprocess.run(command, check=True)
    again = Journal(full / "j", "k")
    again.append([{"i": kept}])
    again.close()
    assert len(entries(full / "j")) == kept + 1


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_new_files_and_folders_on_a_full_disk(full, new):
    with pytest.raises(LimbeckError, match="disk is full"), new(full / "x") as partial:
        (partial if new is new_file else partial / "inside").write_bytes(b"x" * 2**20)
    assert not (full / "x").exists()


def test_a_device_that_is_always_full():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with (
        pytest.raises(LimbeckError, match="disk is full"),
        writing(Path("/dev/full")),
        open("/dev/full", "w") as stream,
    ):
        stream.write("x")


def test_safetensors_on_a_full_disk(full):
    """The library reports it as an error of its own kind, not as an OSError."""
    import torch
    from safetensors.torch import save_file

    with pytest.raises(LimbeckError, match="disk is full"), new_folder(full / "x") as partial:
        save_file({"w": torch.zeros(2**18)}, str(partial / "model.safetensors"))
    assert not (full / "x").exists()


def test_torch_on_a_full_disk(full):
    """So does PyTorch, which writes the optimiser of a checkpoint."""
    import torch

    with pytest.raises(LimbeckError, match="disk is full"), new_folder(full / "x") as partial:
        torch.save({"w": torch.zeros(2**18)}, partial / "optimizer.pt")


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "this cannot be written: Read-only file system"),
        (errno.EACCES, "this cannot be written: Permission denied"),
    ],
)
def test_what_the_system_refuses(tmp_path, number, what):
    with pytest.raises(LimbeckError) as caught, writing(tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.what == what and caught.value.mend


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), writing(tmp_path):
        raise RuntimeError("shapes differ")
    with pytest.raises(FileNotFoundError), writing(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "x")


def test_a_file_that_may_grow_no_further(tmp_path):
    """A limit of the process (ulimit -f), in a process of its own."""
    code = (
        "import resource, signal; from pathlib import Path; from limbeck.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"write_text(Path({str(tmp_path / 'x')!r}), 'y' * 10000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "LimbeckError" in done.stderr and "mend:" in done.stderr
    assert names(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def test_nothing_here_needs_pytorch():
    code = "import sys, limbeck.files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert files.Journal is Journal
