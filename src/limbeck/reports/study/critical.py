"""The critical-difference diagram: average ranks on one line, bars over what does not differ."""

from matplotlib.axes import Axes

from limbeck.analysis.ranks_of import AverageRanks
from limbeck.reports import words
from limbeck.reports.figures import WIDTH, Picture
from limbeck.reports.sections import Column, Table
from limbeck.reports.svg import INK, canvas, in_style, inline_svg

from .download import Figure, of_rows
from .leaderboard import Leaderboard, names
from .plots import fitted, style
from .tidy import Tidy

_LETTER = 6.5  # CSS pixels of a letter, about
_NAME = 18  # letters of a name
_SHORT, _WIDE = 10, 480  # of longer names, CSS pixels of the drawing


def figure(tidy: Tidy, board: Leaderboard) -> Figure | None:
    """Average ranks of the methods; none without two methods and two blocks."""
    ranks = board.ranks
    if ranks is None:
        return None
    title, caption = "Which methods differ", _caption(ranks, board)
    columns = (*board.axes, "task", *(("seed",) if board.of_seeds else ()), "method", "score")
    data = of_rows("ranks", board.ranked, columns)
    return Figure(Picture(_draw(tidy, ranks, title, caption), caption, _pairs(title, ranks)), data)


def _caption(ranks: AverageRanks, board: Leaderboard) -> str:
    blocks = f"{words.count(ranks.blocks)} blocks ({names(board.axes)}, means over seeds)"
    if board.of_seeds:
        blocks = f"the {words.count(ranks.blocks)} seeds of one cell"
    said = [
        f"Average ranks over {blocks}; further left is better. Methods that a bar joins do not "
        "differ at the 5% level: Wilcoxon's signed ranks for each pair, corrected after Holm."
    ]
    if not ranks.decisive:
        said.append(
            f"With {words.count(ranks.blocks)} of them no pair could: the smallest corrected p that "
            f"is possible is {words.decimal(ranks.smallest_p, 2)}."
        )
    if ranks.statistic is not None:
        said.append(f"Friedman's test of all together: {words.p_value(ranks.p)}.")
    said.append(
        f"Nemenyi's critical difference would be {words.decimal(ranks.critical_difference, 2)} "
        "ranks."
    )
    if not board.of_seeds:
        said.append(
            "Blocks that share a student or a run are taken as independent, so p is, if anything, "
            "too small."
        )
    return words.unbroken(" ".join(said))


@in_style
def _draw(tidy: Tidy, ranks: AverageRanks, title: str, caption: str) -> str:
    k = len(ranks.names)
    half = (k + 1) // 2
    width = WIDTH if max(map(len, ranks.names)) <= _SHORT else _WIDE
    drawing = canvas(width, 74 + 14 * len(ranks.groups) + 24 * half)
    axes = drawing.subplots()
    labels = [fitted(name, _NAME) for name in ranks.names]
    sides = [max((len(x) for x in part), default=0) for part in (labels[:half], labels[half:])]
    inner = width - sum(_LETTER * (side + 6) for side in sides)
    per_pixel = (k - 1) / max(inner, 60)
    axes.plot((1, k), (0, 0), color=INK, linewidth=1.2)
    for mark in range(1, k + 1):
        axes.plot((mark, mark), (0, -5), color=INK, linewidth=1.2)
        axes.annotate(str(mark), (mark, -8), ha="center", va="bottom", fontsize="small")
    bar = 12.0
    for group in ranks.groups:
        ends = [ranks.ranks[ranks.names.index(name)] for name in (group[0], group[-1])]
        pad = 3 * per_pixel
        axes.plot((ends[0] - pad, ends[1] + pad), (bar, bar), color=INK, linewidth=4.5, alpha=0.55)
        bar += 14
    for place, (name, rank) in enumerate(zip(ranks.names, ranks.ranks, strict=True)):
        left = place < half
        # The methods at the ends are named nearest to the line, so that no two lines cross.
        depth = bar + 12 + 24 * (place if left else k - 1 - place)
        side = 1 - 4 * per_pixel if left else k + 4 * per_pixel
        method = next(m for m in tidy.methods if str(m) == name)
        look = style(tidy, method)
        axes.plot((rank, rank, side), (0, depth, depth), color=look["color"], linewidth=1.4)
        axes.plot(rank, 0, markersize=7, **look)
        written = words.decimal(rank, 2)
        text = f"{labels[place]}  {written}" if left else f"{written}  {labels[place]}"
        shift = -4 if left else 4
        axes.annotate(
            text,
            (side, depth),
            (shift, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
        )
    _frame(axes, k, sides, per_pixel, bar + 24 * half + 2)
    return inline_svg(drawing, "figure-ranks", title, caption)


def _frame(axes: Axes, k: int, sides: list[int], per_pixel: float, bottom: float) -> None:
    left, right = (_LETTER * (side + 6) * per_pixel for side in sides)
    axes.set_xlim(1 - left, k + right)
    axes.set_ylim(bottom, -28)
    axes.set_xticks([])
    axes.set_yticks([])


def _pairs(title: str, ranks: AverageRanks) -> Table:
    of = dict(zip(ranks.names, ranks.ranks, strict=True))
    columns = (
        Column("Pair", text=True),
        Column("Ranks apart"),
        Column("p"),
        Column("Corrected p"),
    )
    rows = tuple(
        (
            f"{pair.better} before {pair.worse}",
            words.decimal(of[pair.worse] - of[pair.better], 2),
            words.p_value(pair.p),
            words.p_value(pair.p_corrected),
        )
        for pair in ranks.pairs
    )
    return Table(title, "", columns, rows)
