"""Errors as three lines and an exit code; a traceback only where it was asked for."""

import contextlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.text import Text

from limbeck.console import console
from limbeck.errors import LimbeckError
from limbeck.ranks import rank


@contextlib.contextmanager
def guarded(debug: bool, quiet: bool) -> Iterator[None]:
    """Run a command's body.

    Args:
        debug: Show the traceback of an error as well, and let libraries talk.
        quiet: Show no progress.
    """
    console.quiet = quiet or rank() != 0  # one of several processes talks
    if not debug:
        _hush()
    try:
        yield
    except LimbeckError as error:
        if debug:
            traceback.print_exc()
        _tell(error.what, error.where, error.mend)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _tell("stopped", "", "the same command goes on where it was")
        raise typer.Exit(1) from None
    except BrokenPipeError:  # whoever read us has seen enough: | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        _tell(
            f"unexpected: {type(error).__name__}: {_first_line(error)}",
            "",
            "report it with this traceback" if debug else "run again with --debug, and report it",
        )
        raise typer.Exit(1) from None


def _tell(what: str, where: str, mend: str) -> None:
    out = Console(stderr=True, highlight=False)
    for name, text, style in (
        ("error", what, "bold red"),
        ("where", where, "dim"),
        ("mend", mend, "green"),
    ):
        if text:
            out.print(Text.assemble((f"{name}: ", style), text), soft_wrap=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""


def _hush() -> None:
    """Libraries warn about their own business; a user of the command line cannot act on it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if "transformers" in sys.modules:
        sys.modules["transformers"].logging.set_verbosity_error()
