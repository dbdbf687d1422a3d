"""Requests to a server that fails in every way that servers fail in, and what they cost."""

import asyncio
import time
from email.utils import formatdate

import pytest

from limbeck.data import Message
from limbeck.engines import Patience, Request
from limbeck.engines.openai_compatible import OpenAICompatible
from limbeck.errors import LimbeckError
from limbeck.sources import Budget, Spent, Store, ask_all, told_apart
from served.hostile import FAULTS, Hostile, sometimes

QUICK = Patience(attempts=25, first_seconds=0.01, most_seconds=0.05)


def request(text, **changes):
    return Request(
        "teacher", text, **{"max_new_tokens": 20, "temperature": 0.7, "top_p": 1.0} | changes
    )


def ask(server, path, requests, timeout_seconds=10.0, patience=QUICK, **how):
    with Store(path) as store:
        engine = OpenAICompatible(server.url, timeout_seconds)
        return ask_all(
            store, lambda: engine, requests, where=server.url, what="test", patience=patience, **how
        )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.sqlite"


def test_a_thousand_requests_to_a_server_that_fails_in_30_percent(path):
    """Rows lost or doubled are wrong training data; answers asked twice are paid twice."""
    requests = [request(f"row {i} of many") for i in range(1000)]
    quick = [fault for fault in FAULTS if fault != "slow"]
    with Hostile(faults=sometimes(0.3, (*quick * 3, "slow"))) as server:
        # An answer that takes longer than its reader waits is paid twice: not by accident here.
        server.pause_seconds = 5.5
        found = ask(server, path, requests, timeout_seconds=5.0, concurrency=32)
        assert [r.text for r in found] == [f"ROW {i} OF MANY" for i in range(1000)]
        assert len(server.served) == 1000 and set(server.served.values()) == {1}
        assert sum(server.attempts.values()) > 1300
        before = sum(server.attempts.values())
        assert ask(server, path, requests, concurrency=32) == found
        assert sum(server.attempts.values()) == before, "a second run asked again"
    with Store(path) as store:
        assert store.spent() == Spent(1000, 4000, 4000)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_failure_passes(path, fault):
    with Hostile(faults=lambda _, attempt: fault if attempt < 3 else None) as server:
        server.pause_seconds = 0.3
        (found,) = ask(server, path, [request("a b")], timeout_seconds=0.2)
        assert found.text == "A B" and list(server.attempts.values()) == [3]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(path, as_date):
    """A server that is asked again too soon locks its clients out."""
    with Hostile(faults=lambda _, attempt: "429" if attempt == 1 else None) as server:
        due = int(time.time()) + 2  # a date has whole seconds
        server.retry_after = formatdate(due, usegmt=True) if as_date else "1"
        ask(server, path, [request("a")])
        ((first, second),) = server.arrivals.values()
        assert time.time() >= due if as_date else second - first >= 1.0


def test_a_pause_of_hours_is_not_waited_for(path):
    with Hostile(faults=lambda *_: "429") as server, pytest.raises(LimbeckError) as caught:
        server.retry_after = "7200"
        ask(server, path, [request("a")])
    assert "7,200 seconds" in caught.value.what and list(server.attempts.values()) == [1]


def test_a_server_that_never_recovers_is_given_up(path):
    with Hostile(faults=lambda *_: "500") as server, pytest.raises(LimbeckError) as caught:
        ask(server, path, [request("a")], patience=Patience(3, 0.01, 0.01))
    assert "after 3 attempts" in caught.value.what and "oops" in caught.value.what
    assert caught.value.where == server.url and caught.value.exit_code == 1


def test_an_empty_account_is_not_asked_again(path):
    """OpenAI says 429 for it too, and no waiting helps."""
    with (
        Hostile(faults=lambda *_: "quota") as server,
        pytest.raises(LimbeckError, match="no money"),
    ):
        ask(server, path, [request("a")])
    assert list(server.attempts.values()) == [1]


def test_what_was_in_flight_is_kept_when_another_request_fails_for_good(path):
    def faults(content, attempt):
        return "quota" if "bad" in content else None

    rows = [request(f"row {i}") for i in range(40)]
    with Hostile(faults=faults) as server:
        with pytest.raises(LimbeckError, match="no money"):
            ask(server, path, [*rows[:20], request("bad"), *rows[20:]], concurrency=4)
        with Store(path) as store:
            assert len(store.find(rows)) == sum(server.served.values()) < 40
        ask(server, path, rows)
        assert set(server.served.values()) == {1} and len(server.served) == 40


def test_no_more_than_the_agreed_number_are_in_flight(path):
    with Hostile(answer=lambda text: time.sleep(0.02) or text) as server:
        ask(server, path, [request(f"row {i}") for i in range(40)], concurrency=5)
        assert server.most_busy == 5


def test_conversations_and_text_go_to_their_endpoints(path):
    turns = (Message("system", "be brief"), Message("user", "why"))
    with Hostile() as server:
        first, second = ask(server, path, [request(turns), request("why not", temperature=0)])
        assert (first.text, second.text) == ("WHY", "WHY NOT")
        chat, plain = sorted(server.bodies, key=lambda body: "prompt" in body)
    assert chat["messages"] == [{"role": m.role, "content": m.content} for m in turns]
    assert chat["max_tokens"] == 20 and chat["temperature"] == 0.7 and chat["seed"] >= 0
    assert plain["prompt"] == "why not" and plain["temperature"] == 0 and "seed" not in plain


def test_a_limit_that_goes_by_its_newer_name(path):
    """Hosted reasoning models refuse the older one."""
    rows = [request((Message("user", f"row {i}"),)) for i in range(20)]
    with Hostile(modern=True) as server:
        assert len(ask(server, path, rows)) == 20
        assert {b["max_completion_tokens"] for b in server.bodies} == {20}


def test_the_same_question_gets_other_samples_but_one_greedy_answer(path):
    twice = [request("a"), request("b"), request("a")]
    greedy = [request("a", temperature=0)] * 2
    with Hostile() as server:
        ask(server, path, [*told_apart(twice), *told_apart(greedy)])
        seeds = [b.get("seed") for b in server.bodies if b["prompt"] == "a"]
    assert len(seeds) == 3 and len(set(seeds)) == 3 and None in seeds


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"nth": 1}, {"temperature": 0.5}, {"top_p": 0.5}, {"max_new_tokens": 9}],
)
def test_another_request_is_another_address(change):
    assert request("a").key == request("a").key != request("a", **change).key
    assert request("a").key != request((Message("user", "a"),)).key


def test_the_budget_stops_and_the_next_run_goes_on(path):
    """Each answer costs two tokens in and two out."""
    rows = [request(f"row {i}") for i in range(50)]
    with Hostile() as server:
        with pytest.raises(LimbeckError) as caught:
            ask(server, path, rows, concurrency=3, budget=Budget(tokens=60))
        error = caught.value
        assert error.exit_code == 1 and "of 60 tokens" in error.what and "budget" in error.where
        with Store(path) as store:
            spent = store.spent()
        assert spent.answers == sum(server.served.values()) == len(store_keys(path, rows))
        assert 60 <= spent.tokens < 60 + 3 * 4
        with pytest.raises(LimbeckError, match="budget is spent"):
            ask(server, path, rows, budget=Budget(tokens=60))
        assert sum(server.served.values()) == spent.answers, "it asked with an empty purse"
        ask(server, path, rows, budget=Budget(tokens=200))
        assert set(server.served.values()) == {1} and len(server.served) == 50


def store_keys(path, rows):
    with Store(path) as store:
        return store.find(rows)


def test_a_budget_of_money_counts_both_prices(path):
    budget = Budget(money=0.001, input_price=10.0, output_price=40.0)
    with Hostile() as server, pytest.raises(LimbeckError, match=r"money 0\.001 of 0\.001"):
        ask(server, path, [request(f"row {i}") for i in range(50)], concurrency=1, budget=budget)
    assert sum(server.served.values()) == 10  # each costs 2 * 10 + 2 * 40 millionths


def test_a_budget_needs_a_server_that_counts(path):
    with Hostile(usage=False) as server:
        with pytest.raises(LimbeckError, match="does not tell how many tokens"):
            ask(server, path, [request("a"), request("b")], concurrency=1, budget=Budget(tokens=9))
        assert len(ask(server, path, [request("a"), request("b")])) == 2
        assert set(server.served.values()) == {1}


def test_a_notebook_can_ask(path):
    """There a loop is running already."""

    async def cell():
        return ask(server, path, [request("a")])

    with Hostile() as server:
        assert asyncio.run(cell())[0].text == "A"
