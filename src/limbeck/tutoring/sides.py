"""The two sides of an equals sign: where a sum begins and ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.tutoring.lexemes import Lexeme

MOST_LEXEMES = 80  # of one side; what is longer is no sum that a person writes
_MOST_WORDS = 6  # between a number and the sign after it, "9 eggs a day * 2"

# A number beside one of these is not the number that is calculated with: "half of 20 + 5".
_CALCULATING_WORDS = """
times twice thrice double triple half halves third thirds quarter quarters fourth fourths fifth fifths
sixth eighth tenth plus minus than by squared cubed negative percent dozen dozens pair pairs hundred
hundreds thousand thousands million millions billion billions trillion score multiplied divided
remainder to
"""
_CALCULATING = frozenset(_CALCULATING_WORDS.split())
_ARTICLES = frozenset("aAI$£€¢%°/")


@dataclass(frozen=True, slots=True)
class Side:
    """A sum, and whether something about it leaves open what it means.

    Attributes:
        terms: Numbers, operators and brackets.
        words: Words between and right after them, in lower case.
        unsure: True where a person might calculate with other numbers.
    """

    terms: tuple[Lexeme, ...]
    words: tuple[str, ...]
    unsure: bool

    @property
    def alone(self) -> bool:
        """Whether this is one number."""
        return all(t.kind == "number" or t.text == "-" for t in self.terms) and (
            sum(t.kind == "number" for t in self.terms) == 1
        )


def side_before(tokens: Sequence[Lexeme], end: int, start: int = 0) -> Side | None:
    """The sum that ends before `end`; None where there is none.

    Args:
        tokens: Of the text.
        end: Index after its last lexeme, for example of an equals sign.
        start: Index of the first lexeme that it may have.
    """
    terms: list[Lexeme] = []
    beginning, start = start, max(start, end - MOST_LEXEMES)
    place, words = _words_before(tokens, end - 1, start)
    found, unsure = list(words), False
    while True:
        first = _operand_before(tokens, place, start)
        if first is None or beginning < start == first:
            return None  # an operator with nothing before it: what it needs is not at hand
        unsure |= words[-1:] == ["of"]  # "1/4 of the crowd"
        terms[:0] = tokens[first : place + 1]
        place = first - 1
        if _is_sign(tokens, place, start):
            terms.insert(0, tokens[place])
            place -= 1
        if _means_times(tokens, place, start, terms):
            terms.insert(0, Lexeme("operator", "*", tokens[place].start, tokens[place].end))
        elif place < start or tokens[place].kind != "operator" or _is_bullet(tokens, place):
            break
        else:
            terms.insert(0, tokens[place])
            # "1 tank -1/3 tank" takes away, "for 3 days it was -30/3" does not
            spaced = tokens[place - 1].end < tokens[place].start < tokens[place].end
            unsure |= spaced and tokens[place - 1].kind == "word" and _glued(tokens, place)
        place, words = _words_before(tokens, place - 1, start)
        found += words
    unsure |= _open_to_doubt(tokens, place, start, terms[0])
    return _side(terms, found, unsure)


def side_after(tokens: Sequence[Lexeme], start: int, end: int) -> Side | None:
    """The sum that begins at `start` and ends before `end`; None where there is none."""
    terms: list[Lexeme] = []
    found: list[str] = []
    ending, end = end, min(end, start + MOST_LEXEMES)
    place = start
    while True:
        last = _operand_after(tokens, place, end)
        if last is None:
            break
        terms += tokens[place : last + 1]
        after = last + 1
        while after < end and after <= last + _MOST_WORDS and tokens[after].kind == "word":
            after += 1
        if after >= end or tokens[after].kind != "operator":
            place = last + 1
            break
        if _operand_after(tokens, after + 1, end) is None:
            place = last + 1
            break
        found += [t.text.lower() for t in tokens[last + 1 : after]]
        terms.append(tokens[after])
        place = after + 1
    if not terms or terms[-1].kind == "operator":
        return None
    trailing: list[str] = []
    while place < end and len(trailing) < _MOST_WORDS and tokens[place].kind == "word":
        trailing.append(tokens[place].text)
        place += 1
    if end < ending and place == end:
        return None
    unsure = place < end and tokens[place].kind in ("number", "odd", "operator", "open")
    glued = bool(trailing) and tokens[place - len(trailing)].start == terms[-1].end
    unsure |= bool(trailing) and len(trailing[0]) == 1 and (glued or trailing[0] not in _ARTICLES)
    return _side(terms, found + [w.lower() for w in trailing], unsure)


def _side(terms: list[Lexeme], words: list[str], unsure: bool) -> Side:
    inner = [t.text.lower() for t in terms if t.kind == "word"]
    words += inner
    doubtful = any(w in _CALCULATING or (len(w) == 1 and w not in _ARTICLES) for w in words)
    kept = tuple(t for t in terms if t.kind != "word")
    return Side(kept, tuple(words), unsure or doubtful or _divides_twice(kept))


def _divides_twice(terms: Sequence[Lexeme]) -> bool:
    """Whether a fraction may be what is divided by: ``500 / 2/5``."""
    pairs = zip(terms, terms[2:], strict=False)
    return any(a.kind == b.kind == "operator" and a.text == b.text == "/" for a, b in pairs)


def _operand_before(tokens: Sequence[Lexeme], place: int, start: int) -> int | None:
    """Index of the first lexeme of the number or brackets that end at `place`."""
    if place < start:
        return None
    if tokens[place].kind == "number":
        return place
    if tokens[place].kind != "close":
        return None
    first = _bracket(tokens, place, start - 1, -1)
    if first is None or first - 1 < start or tokens[first - 1].end != tokens[first].start:
        return first
    glued = tokens[first - 1].kind in ("number", "close")  # 2(3 + 4)
    return _operand_before(tokens, first - 1, start) if glued else first


def _operand_after(tokens: Sequence[Lexeme], place: int, end: int) -> int | None:
    """Index of the last lexeme of the number or brackets that begin at `place`."""
    if place >= end:
        return None
    if tokens[place].text in ("-", "+"):
        following = place + 1 < end and tokens[place + 1].kind in ("number", "open")
        return _operand_after(tokens, place + 1, end) if following else None
    last = place if tokens[place].kind == "number" else None
    if tokens[place].kind == "open":
        last = _bracket(tokens, place, end, 1)
    if last is None or last + 1 >= end or tokens[last + 1].start != tokens[last].end:
        return last
    return _operand_after(tokens, last + 1, end) if tokens[last + 1].kind == "open" else last


def _bracket(tokens: Sequence[Lexeme], place: int, limit: int, step: int) -> int | None:
    """Index of the bracket that matches; None where there is none near, or no sum between."""
    depth = 0
    for here in range(place, limit, step):
        kind = tokens[here].kind
        if kind not in ("number", "operator", "open", "close", "word"):
            return None
        if kind == "word" and tokens[here - 1].kind not in ("number", "close", "word"):
            return None  # "(her age - 1)"
        depth += (kind == "open") - (kind == "close")
        if depth == 0:
            return here
    return None


def _words_before(tokens: Sequence[Lexeme], place: int, start: int) -> tuple[int, list[str]]:
    """Go back over units such as ``eggs a day``."""
    words: list[str] = []
    while place >= start and tokens[place].kind == "word" and len(words) < _MOST_WORDS:
        words.append(tokens[place].text.lower())
        place -= 1
    return place, words


def _means_times(tokens: Sequence[Lexeme], place: int, start: int, terms: Sequence[Lexeme]) -> bool:
    """Whether ``of`` stands at `place`, after a percentage or a fraction."""
    if place - 1 < start or tokens[place].text != "of" or terms[0].kind != "number":
        return False
    before = tokens[place - 1]
    fraction = (
        place - 3 >= start
        and before.kind == tokens[place - 3].kind == "number"
        and tokens[place - 2].text == "/"
    )
    return before.percent or fraction


def _is_sign(tokens: Sequence[Lexeme], place: int, start: int) -> bool:
    """Whether a minus belongs to the number after it: nothing before it, no space after it."""
    if place < start or tokens[place].text != "-" or not _glued(tokens, place):
        return False
    if place == start or tokens[place - 1].kind in ("stop", "open", "equals", "operator"):
        return True
    if tokens[place - 1].kind != "word" or tokens[place - 1].end == tokens[place].start:
        return False
    further, _ = _words_before(tokens, place - 1, start)
    return further < start or tokens[further].kind not in ("number", "close")


def _is_bullet(tokens: Sequence[Lexeme], place: int) -> bool:
    """Whether a sign begins the line, as it does in lists."""
    begins = place == 0 or tokens[place - 1].text == "\n"
    return begins and not _glued(tokens, place)


def _glued(tokens: Sequence[Lexeme], place: int) -> bool:
    return tokens[place].end == tokens[place + 1].start


def _open_to_doubt(tokens: Sequence[Lexeme], place: int, start: int, first: Lexeme) -> bool:
    """Whether what stands before a sum may belong to it."""
    if place < start:
        return False
    before = tokens[place]
    if before.kind in ("number", "odd"):
        return True
    if before.kind == "word":
        glued = before.end == first.start and before.text not in _ARTICLES
        further, words = _words_before(tokens, place, start)
        near = words[:1] if words[:1] != ["of"] else words[:2]
        doubtful = any(w in _CALCULATING or (len(w) == 1 and w not in _ARTICLES) for w in near)
        mixed = words == ["and"] and further >= start and tokens[further].kind == "number"
        after_sign = further >= start and tokens[further].kind == "operator"
        return glued or doubtful or mixed or (after_sign and not _is_bullet(tokens, further))
    return before.kind == "close" and before.end == first.start
