"""The errors a user meets: what is wrong, where, and how to mend it."""


class LimbeckError(Exception):
    """The work failed, or a check did not hold (exit code 1).

    Args:
        what: One line: what is wrong.
        where: The file, key, row or step that is meant, empty where there is none.
        mend: One line: what to do about it, empty where nothing is known.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", mend: str = ""):
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.mend:
            lines.append(f"  mend:  {self.mend}")
        return "\n".join(lines)


class RequestError(LimbeckError):
    """What was asked for is wrong (exit code 2); nothing has been written."""

    exit_code = 2
