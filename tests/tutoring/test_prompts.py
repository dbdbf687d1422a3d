"""The prompts as the teacher reads them; golden texts are in golden/."""

import os
import shutil
from pathlib import Path

import pytest

from limbeck.data import VERIFIERS
from limbeck.errors import RequestError
from limbeck.tutoring import FINISH, Attempt, Entry, Lesson, Prompts, folder, show

GOLDEN = Path(__file__).parent / "golden"
WRONG = Attempt("1. 16 - 3 = 12 {{ eggs }} {% if %} <b>", False, "arithmetic")
RIGHT = Attempt("1. 16 - 3 - 4 = 9\nFinal answer: \\boxed{9}", True)
UNCLEAR = Attempt("Nine.", False, "unclear")
RECORD = (
    Entry(
        "How many eggs are left of 16?", (Lesson(0, "16 - 3 - 4 = 9", WRONG), Lesson(1, "", RIGHT))
    ),
    Entry(
        "Is ice lighter than water?", (Lesson(0, "It floats.", UNCLEAR), Lesson(1, "It is.", RIGHT))
    ),
)
NEW = "What does {{ this }} cost?"
CASES = {
    "solve": ("solve", NEW, FINISH["boxed"]),
    "refine": ("refine", NEW, FINISH["choice"], "It costs 3.", RECORD, None),
    "refine_attempt": ("refine", NEW, FINISH["yes_no"], "", RECORD, WRONG),
    "refine_blind": ("refine", NEW, FINISH["after_marker"], "It costs 3.", (), None),
    "tag": ("tag", NEW, "3", WRONG.text),
}


def write(name, case):
    method, *values = CASES[case]
    turns = getattr(Prompts.named(name), method)(*values)
    return "".join(f"<{turn.role}>\n{turn.content}\n" for turn in turns)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["maths", "commonsense"])
def test_every_prompt_reads_as_agreed(name, case):
    """LIMBECK_GOLDEN=write writes them anew, to be read before they are committed."""
    path = GOLDEN / f"{name}_{case}.txt"
    written = write(name, case)
    if os.environ.get("LIMBECK_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["maths", "commonsense"])
def test_the_blind_control_speaks_of_no_learner(name):
    text = write(name, "refine_blind").lower()
    assert not any(word in text for word in ("learner", "record", "mark:", "attempt", "error"))
    assert "it costs 3." in text


@pytest.mark.parametrize("name", ["maths", "commonsense"])
def test_what_a_learner_wrote_comes_through_letter_by_letter(name):
    assert WRONG.text in write(name, "refine") and WRONG.text in write(name, "tag")
    assert NEW in write(name, "solve")


def test_every_verifier_has_its_ending():
    assert set(FINISH) == {*VERIFIERS, "task"}


@pytest.fixture
def copy(tmp_path):
    """A folder of prompts that a user has copied."""
    return Path(shutil.copytree(folder("maths"), tmp_path / "mine"))


def test_a_copy_is_the_same_until_it_is_changed(copy):
    own = Prompts.named(str(copy))
    assert own.digest == Prompts.named("maths").digest != Prompts.named("commonsense").digest
    (copy / "solve.user.j2").write_text("Q: {{ question }}\n")
    changed = Prompts.named(str(copy))
    assert changed.digest != own.digest
    assert changed.solve("why?", "so")[1].content == "Q: why?"


def test_an_empty_system_template_is_no_turn(copy):
    """Some chat templates refuse a system turn."""
    (copy / "solve.system.j2").write_text("")
    (copy / "solve.user.j2").write_text("{{ question }} {{ finish }}")
    assert [m.role for m in Prompts.named(str(copy)).solve("why?", "so")] == ["user"]


def test_shown_prompts_can_be_copied_back(copy, tmp_path):
    text = show("maths")
    for file in sorted(copy.iterdir()):
        assert f"{{# {file.name}: may use question, " in text
        assert file.read_text().strip() in text
    assert text.count("{# ") == 6


@pytest.mark.parametrize(
    ("file", "text", "what", "where", "mend"),
    [
        (
            "solve.user.j2",
            "{{ question }}\n{% if %}",
            "no Jinja template",
            "solve.user.j2:2",
            "raw",
        ),
        ("solve.user.j2", "{{ questions }}", "uses 'questions'", "solve.user.j2", "'question'?"),
        ("solve.user.j2", "Solve it!", "never shows {{ question }}", "solve.user.j2", "question"),
        (
            "refine.user.j2",
            "{{ question }}",
            "never shows {{ record }}",
            "refine.user.j2",
            "record",
        ),
        ("tag.user.j2", "{{ question }}", "never shows {{ attempt }}", "tag.user.j2", "attempt"),
        ("solve.user.j2", "{{ question.first }}", "cannot be written", "mine", "built-in"),
        ("refine.user.j2", "{{ question }}{{ record[9].text }}", "cannot be", "mine", "built-in"),
        ("solve.user.j2", "{% include 'x' %}{{ question }}", "cannot be", "mine", "built-in"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_broken_template_is_refused_before_anything_is_asked(copy, file, text, what, where, mend):
    if file == "refine.user.j2" and "record" not in text:
        (copy / "refine.system.j2").write_text("{{ finish }}")
    (copy / file).write_text(text)
    with pytest.raises(RequestError) as error:
        Prompts.named(str(copy))
    assert what in error.value.what
    assert where in error.value.where
    assert mend in error.value.mend


def test_a_folder_that_lacks_files_is_refused(copy):
    (copy / "tag.user.j2").unlink()
    with pytest.raises(RequestError, match=r"lacks tag\.user\.j2"):
        Prompts.named(str(copy))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(RequestError) as error:
        Prompts.named("math")
    assert "'maths'?" in error.value.mend and "commonsense" in error.value.mend


def test_a_template_cannot_reach_beyond_its_variables(copy):
    """A folder of prompts from somebody else is text, not a program."""
    (copy / "solve.user.j2").write_text("{{ question.__class__.__mro__ }}{{ question }}")
    with pytest.raises(RequestError):
        Prompts.named(str(copy))
