"""The page of a run: one HTML file that opens anywhere, loads nothing and runs nothing."""

from collections.abc import Mapping
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from . import curves, figures, ledger, path, round_figures, rounds, sections, words
from .facts import Results, arms, better, contrast, label, primary, recovered, score
from .verdict import verdict

# Worst first: what went wrong must not hide below what went well.
_SEVERITY = {"fail": 0, "warn": 1, "note": 2, "ok": 3}


def render(results: Results) -> str:
    """Write the report of a run as one self-contained HTML page.

    The page holds no script and loads nothing; a content security policy in its head keeps it so,
    whatever a model wrote.

    Args:
        results: The contents of ``results.json``; sections that are missing are left out.
    """
    environment = Environment(
        loader=PackageLoader("limbeck.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Drawings are ours, and their texts were escaped when they were written.
    environment.filters["drawing"] = lambda picture: Markup(picture.svg)
    return environment.get_template("report.html.j2").render(_view(results))


def _view(results: Results) -> dict[str, Any]:
    metric = primary(results)
    charts = (
        (figures.scores(results, metric), figures.paired_outcomes(results, metric))
        if metric
        else ()
    )
    # A verdict opens with its claim, then the numbers.
    sentences = results.get("verdict") or verdict(results)
    for sign in "<=":  # keep "p = 0.04" on one line
        sentences = sentences.replace(f"p {sign} ", f"p\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}")
    claim, colon, numbers = sentences.partition(": ")
    return {
        "name": results["name"],
        "created": str(results.get("created", "")).replace("T", " ")[:16],
        "limbeck": results.get("limbeck"),
        "seed": results.get("seed"),
        "models": [_model(results, arm) for arm in arms(results)],
        "claim": claim + colon,
        "numbers": numbers,
        "tiles": _tiles(results),
        "colours": {label(results, arm): colour for arm, colour in figures.COLOURS.items()},
        "student": label(results, "student"),
        "outcome": sections.outcome(results),
        "outcome_figures": [chart for chart in charts if chart],
        "comparisons": sections.comparisons(results),
        "rounds": rounds.table(results),
        "rounds_figures": [
            drawn
            for drawn in (round_figures.accuracy(results), round_figures.errors(results))
            if drawn
        ],
        "rewritten": rounds.examples(results),
        "tag_colours": round_figures.TAG_COLOURS,
        "fidelity": sections.fidelity(results),
        "fidelity_figures": figures.agreement(results),
        "training": sections.training(results),
        "training_figures": curves.training_curves(results),
        "moved": [p for p in (path.schedule(results), *curves.moved(results)) if p],
        "samples": [_sample(results, sample) for sample in results.get("samples") or ()],
        "doctor": _doctor(results),
        "ledgers": [
            (title, pairs)
            for title, pairs in (
                ("Method", ledger.method(results)),
                ("Training text", ledger.text(results)),
                ("Data", ledger.data(results)),
                ("Costs", ledger.costs(results)),
                ("Environment", ledger.environment(results)),
            )
            if pairs
        ],
        "paper": _paper(results),
        "recipe": _yaml(results.get("recipe")),
        "command": results.get("command"),
    }


def _model(results: Results, arm: str) -> dict[str, str]:
    model = results["models"][arm]
    return {
        "label": label(results, arm),
        "source": str(model.get("source", words.DASH)),
        "parameters": words.parameters(model.get("parameters")),
    }


def _tiles(results: Results) -> list[tuple[str, str, str]]:
    """The few numbers that the verdict turns on: name, number, what it means."""
    tiles, metric = [], primary(results)
    if metric:
        tiles.append(
            ("Student", metric.write(score(results, "student", metric)), metric.name.lower())
        )
        over = contrast(results, "student", "sft", metric)
        if over:
            text = f"{metric.unit}, {words.p_value(over.p)}"
            tiles.append(("Against SFT", metric.write_difference(over.difference), text))
        over_one_shot = contrast(results, "student", "one_shot", metric)
        if over_one_shot:
            text = f"{metric.unit}, {words.p_value(over_one_shot.p)}"
            difference = metric.write_difference(over_one_shot.difference)
            tiles.append(("Against one-shot", difference, text))
        share = recovered(results, metric)
        if share is not None and over and better(over, metric):
            written = f"{100 * share:.0f}%".replace("-", words.MINUS)
            tiles.append(("Gap recovered", written, "of the way from SFT to teacher"))
    teacher, student = (
        results["models"].get(arm, {}).get("parameters") for arm in ("teacher", "student")
    )
    if teacher and student:
        text = f"{words.parameters(student)} of {words.parameters(teacher)} parameters"
        tiles.append(("Size", f"{teacher / student:.1f}\N{MULTIPLICATION SIGN} smaller", text))
    return tiles


def _sample(results: Results, sample: Mapping[str, Any]) -> dict[str, Any]:
    """One test item, its outputs in reading order."""
    outputs = sample.get("outputs") or {}
    return {
        "prompt": sample["prompt"],
        "answer": sample.get("answer"),
        "outputs": [
            {"label": label(results, arm), **outputs[arm]}
            for arm in arms(results)
            if arm in outputs
        ],
    }


def _doctor(results: Results) -> list[dict[str, str]]:
    empty = dict.fromkeys(("check", "status", "what", "why", "mend"), "")
    findings = [empty | found for found in results.get("doctor") or ()]
    return sorted(findings, key=lambda found: _SEVERITY.get(found["status"], 0))


def _paper(results: Results) -> Mapping[str, str] | None:
    """The method's paper, if its address is a web address and nothing that could run."""
    paper = (results.get("method") or {}).get("paper") or {}
    url = str(paper.get("url", ""))
    if not url.startswith(("https://", "http://")):
        return None
    return {"url": url, "title": str(paper.get("title") or url)}


def _yaml(recipe: Mapping[str, Any] | None) -> str:
    return yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True) if recipe else ""
