"""What ``limbeck generate`` has written, for people."""

from typing import TYPE_CHECKING

from rich.console import Console

from limbeck.reports import words

if TYPE_CHECKING:
    from limbeck.run.generating import Generated

_LEFT_OUT = ("unfinished", "wrong", "duplicates")


def show_generated(generated: "Generated") -> None:
    """Counts, lengths, costs, and where the answers are."""
    from limbeck.run.responses import figures, lengths

    found, long = figures(generated.rows), lengths(generated.rows)
    covered = len({r["example"] for r in generated.rows if r["verdict"] == "kept"})
    left_out = ", ".join(f"{found[name]:,} {name}" for name in _LEFT_OUT)
    lines = [
        f"prompts    {generated.prompts:,}, {covered:,} of them with an answer that is kept",
        f"answers    {found['answers']:,}: {found['kept']:,} kept, {left_out}",
    ]
    if generated.trained < found["kept"]:
        too_long = found["kept"] - generated.trained
        lines.append(f"too long   {too_long:,} of the kept: not trained on, see data.max_length")
    if found["correct"] is not None:
        checked = sum(row["correct"] is not None for row in generated.rows)
        lines.append(
            f"right      {words.percent(found['correct'])} of {checked:,} with a gold answer"
        )
    if long is not None:
        each = ", ".join(f"{name} {words.decimal(value, 1)}" for name, value in long.items())
        lines.append(f"tokens     {each} (of the kept)")
    if generated.costs is not None:
        costs = generated.costs
        money = f", money {costs['money']:.4g}" if "money" in costs else ""
        lines.append(
            f"spent      {costs['tokens_in']:,} tokens of prompts, "
            f"{costs['tokens_out']:,} of answers{money}"
        )
    recipe = generated.path / "recipe.yaml"
    lines += [f"responses  {generated.responses}", f"next       limbeck distill {recipe}"]
    Console(highlight=False).print("\n".join(lines), soft_wrap=True, markup=False)
