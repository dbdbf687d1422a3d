"""What ``limbeck refine`` has written, for people."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console

from limbeck.reports import words

if TYPE_CHECKING:
    from limbeck.run.refining import Refined

_ORIGINS = {
    "first": "verified at once",
    "retried": "at a later attempt",
    "earlier": "as before",
    "own": "the student's own",
    "dropped": "without a right one",
}


def show_refined(refined: "Refined") -> None:
    """The student's errors, where the solutions come from, one of them, costs, and the file."""
    figures, asked = refined.figures, refined.figures["asked"]
    money = f", money {asked['money']:.4g}" if "money" in asked else ""
    lines = [
        f"attempts   {_counts(refined.tags)}",
        f"solutions  {_counts({_ORIGINS[k]: v for k, v in figures['rationales'].items() if v})}",
        f"tokens     {words.decimal(figures['rationale_tokens']['mean'], 1)} on average",
        f"asked      {asked['answers']:,} answers, {asked['tokens_in']:,} tokens of prompts, "
        f"{asked['tokens_out']:,} of answers{money}",
    ]
    for example in figures["examples"][:1]:
        lines += [
            f"\nproblem    {_line(example['question'])}",
            f"attempt    {_line(example['attempt'])}  ({example['tag']})",
            f"before     {_line(example['old'])}",
            f"now        {_line(example['new'])}\n",
        ]
    lines.append(f"refined    {refined.path}")
    Console(highlight=False).print("\n".join(lines), soft_wrap=True, markup=False)


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{number:,} {name}" for name, number in ordered)


def _line(text: str) -> str:
    """One line of at most 160 characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else f"{flat[:159]}\N{HORIZONTAL ELLIPSIS}"
