"""What several drawings of the audit share: axes of shares, named steps, a legend below."""

from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from limbeck.reports import words

MOST_NAMES = 6  # below a small drawing


def percent_axis(axis: Axis) -> None:
    """Write shares as per cent."""
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}%".replace("-", words.MINUS)))


def step_names(axes: Axes, names: list[str]) -> None:
    """Name the steps of the horizontal axis; of many, every second or third."""
    stride = -(-len(names) // MOST_NAMES)
    places = list(range(0, len(names), stride))
    axes.set_xticks(places, [short(names[i], 10, 2) for i in places])
    axes.margins(x=0.06)


def short(name: str, width: int, lines: int = 1) -> str:
    """A name in the room that there is."""
    return "\n".join(wrap(name, width, max_lines=lines, placeholder=" …"))


def legend(figure: Figure, axes: Axes) -> None:
    """Names of the lines below the drawing, where there is more than one."""
    handles, names = axes.get_legend_handles_labels()
    if len(handles) > 1:
        columns = 3 if max(map(len, names)) <= 10 else 2
        named = [short(name, 18, 2) for name in names]
        figure.legend(handles, named, loc="outside lower center", ncols=columns)
