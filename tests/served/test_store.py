"""Answers survive: whole, once, and after a kill at any moment."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import time

import pytest

from limbeck.engines import Patience, Request, Response
from limbeck.engines.openai_compatible import OpenAICompatible
from limbeck.errors import LimbeckError
from limbeck.sources import Spent, Store, ask_all
from served.hostile import Hostile, sometimes

ROWS = [Request("teacher", f"row {i}", 20, 0.7, 1.0) for i in range(60)]


def work(url, path):
    """In a process of its own."""
    with Store(path) as store:
        return ask_all(
            store,
            lambda: OpenAICompatible(url, 10.0),
            ROWS,
            where=url,
            what="test",
            concurrency=4,
            patience=Patience(25, 0.01, 0.05),
        )


def started(url, path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["limbeck.engines.openai_compatible", "limbeck.sources"])
    child = context.Process(target=work, args=(url, path))
    child.start()
    return child


def killed(child):
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.sqlite"


def test_what_was_kept_comes_back_whole(path):
    odd = Response("half a \\ud83d, \0, ünï\n", None, None, None)
    with Store(path) as store:
        store.add(ROWS[0], Response("text", "length", 3, 4))
        store.add(ROWS[1], odd)
    with Store(path) as store:
        found = store.find(ROWS)
        assert found == {ROWS[0].key: Response("text", "length", 3, 4), ROWS[1].key: odd}
        assert store.spent() == Spent(2, 3, 4)


def test_nothing_is_ever_changed_or_deleted(path):
    with Store(path) as store:
        store.add(ROWS[0], Response("first"))
        with pytest.raises(LimbeckError):
            store.add(ROWS[0], Response("second"))
        assert store.find(ROWS)[ROWS[0].key].text == "first"
    with sqlite3.connect(path) as connection:
        for words in ("UPDATE answers SET text = 'x'", "DELETE FROM answers"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(words)
    connection.close()


def kept_but_not_closed(path, answers):
    """The files as a machine that loses its power leaves them."""
    with Store(path) as store:
        for row in ROWS[:answers]:
            store.add(row, Response(f"{row.prompt} " * 400))
        for name in ("", "-wal"):
            shutil.copy(f"{path}{name}", f"{path}.crashed{name}")
    return path.with_name(f"{path.name}.crashed")


@pytest.mark.parametrize("torn", ["cut", "overwritten"])
def test_a_torn_last_record_is_dropped_and_the_others_are_whole(path, torn):
    """Half an answer would be trained on as if it were one."""
    crashed = kept_but_not_closed(path, 6)
    log = crashed.with_name(f"{crashed.name}-wal")
    size = log.stat().st_size
    with log.open("r+b") as stream:
        if torn == "cut":
            stream.truncate(size - 700)
        else:
            stream.seek(size - 700)
            stream.write(b"x" * 700)
    with Store(crashed) as store:
        found = store.find(ROWS)
        assert set(found) == {r.key for r in ROWS[:5]}
        assert all(found[r.key].text == f"{r.prompt} " * 400 for r in ROWS[:5])
        store.add(ROWS[5], Response("again"))


def test_a_file_that_is_none_is_refused(path):
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(LimbeckError) as caught:
        Store(path)
    assert str(path) in caught.value.where and caught.value.mend


def test_one_process_at_a_time(path):
    with Store(path) as store:
        store.add(ROWS[0], Response("x"))
        child = multiprocessing.get_context("fork").Process(target=_open, args=(path,))
        child.start()
        child.join()
        assert child.exitcode == 7


def _open(path):
    try:
        Store(path)
    except LimbeckError:
        os._exit(7)


def test_killed_while_the_server_thinks_and_resumed_no_request_is_served_twice(path):
    """The kill comes where nothing is on its way back: 20 answers are kept, 4 requests wait."""
    with Hostile() as server:
        close_after(server, 20)
        child = started(server.url, path)
        wait_until(lambda: len(server.attempts) == 24 and server.busy == 4)
        wait_until(lambda: kept(path) == 20)
        killed(child)
        server.faults = lambda content, attempt: None
        server.gate.set()
        wait_until(lambda: server.busy == 0)
        assert [r.text for r in work(server.url, path)] == [r.prompt.upper() for r in ROWS]
        assert set(server.served.values()) == {1} and len(server.served) == len(ROWS)


def close_after(server, answers):
    """Let so many through, and hold the others."""
    let = iter(range(answers))

    def hold(content, attempt):
        if next(let, None) is None:
            server.gate.clear()

    server.faults = hold


def kept(path):
    """Answers in a store that a living process holds, counted in a copy of its files."""
    copy = path.with_name("copy")
    for name in ("", "-wal"):
        shutil.copy(f"{path}{name}", f"{copy}{name}")
    with Store(copy) as store:
        return store.spent().answers


def test_killed_at_any_moment_the_answers_are_those_of_an_undisturbed_run(path):
    """What was on its way at a kill is asked again; nothing else is."""
    kills = 3
    with Hostile(faults=sometimes(0.2, ("429", "500", "reset"))) as server:
        for number in range(1, kills + 1):
            child = started(server.url, path)
            wait_until(lambda number=number: sum(server.served.values()) >= 15 * number)
            killed(child)
        assert [r.text for r in work(server.url, path)] == [r.prompt.upper() for r in ROWS]
        assert len(server.served) == len(ROWS)
        assert sum(server.served.values()) <= len(ROWS) + 4 * kills
