"""All encodings by name."""

from collections.abc import Mapping
from typing import Any, cast

from limbeck.caching.bits import high_bits
from limbeck.caching.encoding import Encoding
from limbeck.caching.hidden import HiddenEncoding
from limbeck.caching.sampled import SampledEncoding
from limbeck.caching.topk import TopKEncoding
from limbeck.errors import RequestError

NAMES = ("topk", "topk-f16", "topk-f32", "sampled", "hidden", "hidden-bf16")
_CLASSES: dict[str, Any] = {
    "topk": TopKEncoding,
    "sampled": SampledEncoding,
    "hidden": HiddenEncoding,
}


def choose(
    name: str, *, k: int, samples: int, exact: int, vocabulary: int, width: int, precision: str
) -> Encoding:
    """The encoding that a user asks for.

    Args:
        name: One of `NAMES`.
        k: Tokens kept by top-k.
        samples: Draws of a sampled cache.
        exact: Tokens that a sampled cache keeps exactly.
        vocabulary: V.
        width: Hidden size of the teacher.
        precision: Of its weights.

    Raises:
        RequestError: There is no such encoding, or a number does not fit.
    """
    if name not in NAMES:
        raise RequestError(
            f"there is no encoding {name!r}", where="--encoding", mend=f"known: {', '.join(NAMES)}"
        )
    family, _, form = name.partition("-")
    if family == "topk":
        _between("--k", k, 1, vocabulary, "the tokenizer has so many tokens")
        return cast(Encoding, TopKEncoding(vocabulary, k, form or "packed"))  # type: ignore[arg-type]
    if family == "sampled":
        most = (2**16 - 1) >> high_bits(vocabulary)  # counts share 16 bits with the ids' high bits
        _between("--samples", samples, 1, most, "50 is a usual choice")
        _between("--exact", exact, 0, vocabulary - 1, "0 keeps samples only")
        return cast(Encoding, SampledEncoding(vocabulary, samples, exact))
    kept = "bfloat16" if form else precision
    return cast(Encoding, HiddenEncoding(vocabulary, width, kept))  # type: ignore[arg-type]


def described(encoding: Encoding) -> dict[str, Any]:
    """What the manifest says of an encoding."""
    return {"name": encoding.name, **encoding.parameters}


def from_manifest(entry: Mapping[str, Any]) -> Encoding:
    """The encoding that `described` described."""
    parameters = dict(entry)
    family = parameters.pop("name").partition("-")[0]
    return cast(Encoding, _CLASSES[family](**parameters))


def _between(option: str, value: int, low: int, high: int, why: str) -> None:
    if not low <= value <= high:
        raise RequestError(
            f"{option.removeprefix('--')} must be {low} to {high}, got {value}",
            where=option,
            mend=f"choose a number from {low} to {high}: {why}",
        )
