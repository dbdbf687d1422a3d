"""A matplotlib figure as SVG inside a page: no ids that clash, no fonts of its own.

Text and axes take the colour of the page (``currentColor``), so one drawing serves light and dark.
"""

import io
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#010203"  # stands for the colour of the page's text; replaced when the drawing is written

# Drawing and writing both happen under this style: ink on nothing, no frame, no tick marks.
in_style = matplotlib.rc_context(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "limbeck",
        "font.size": 12,
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.facecolor": "none",
        "grid.color": INK,
        "grid.alpha": 0.12,
        "legend.frameon": False,
        "legend.fontsize": "small",
        **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
        **{f"{axis}tick.{kind}.size": 0 for axis in "xy" for kind in ("major", "minor")},
    }
)


def canvas(width: float, height: float) -> Figure:
    """An empty figure, width and height in CSS pixels, to be drawn in ink."""
    return Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none", layout="constrained")


def inline_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Write a figure as an ``<svg>`` element.

    Args:
        figure: What to write; drawn, and now written, :data:`in_style`.
        name: Unique on the page; every id inside starts with it.
        title: What the figure shows, read out by screen readers.
        description: What is to be seen in it.
    """
    written = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(written, metadata=nothing)
    root = ElementTree.fromstring(written.getvalue().replace(INK, "currentColor"))
    for element in root.iter():
        _localise(element, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-description"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        heading = ElementTree.Element(
            tag, id=f"{name}-{'title' if tag == 'title' else 'description'}"
        )
        heading.text = text
        root.insert(place, heading)
    for element in root.findall("metadata"):
        root.remove(element)
    return ElementTree.tostring(root, encoding="unicode")


def _localise(element: ElementTree.Element, name: str) -> None:
    """Drop namespaces (HTML knows SVG), prefix ids and references, leave the font to the page."""
    element.tag = element.tag.split("}")[-1]
    for key, value in list(element.attrib.items()):
        del element.attrib[key]
        plain = key.split("}")[-1]
        if plain == "id":
            value = f"{name}-{value}"
        elif plain == "href":
            value = value.replace("#", f"#{name}-")
        elif plain == "style":
            rules = (_page_font(rule) for rule in value.split("; "))
            value = "; ".join(rule for rule in rules if rule)
        element.attrib[plain] = value.replace("url(#", f"url(#{name}-")


def _page_font(rule: str) -> str:
    """The rule without a font family; older matplotlib writes ``font: 700 12px 'DejaVu Sans'``."""
    if rule.startswith("font-family:"):
        return ""
    if not rule.startswith("font:"):
        return rule
    size = next(word for word in rule.split() if word.endswith("px"))
    weight = "; font-weight: 600" if {"700", "bold"} & set(rule.split()) else ""
    return f"font-size: {size}{weight}"
