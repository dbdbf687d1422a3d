"""How much a program may use, and how its run ended."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "timeout", "memory", "output", "killed"]


@dataclass(frozen=True)
class Limits:
    """What a program and its tests may use, each.

    Attributes:
        cpu: Seconds of computing of any one process, whole. Three are usual; a reference solution
            of MBPP (123) takes eight on a slow core, and a slow machine must not fail it.
        wall: Seconds until everything is stopped.
        memory: Bytes of address space of any one process, and of memory of all of them together.
        processes: How many processes and threads may exist at a time.
        output: Bytes on standard output and standard error together.
        scratch: Bytes that may be written to the scratch folder, which lives in memory.
    """

    cpu: int = 10
    wall: float = 30.0
    memory: int = 2**30
    processes: int = 16
    output: int = 2**20
    scratch: int = 2**25

    def __post_init__(self) -> None:
        if min(self.cpu, self.wall, self.memory, self.processes, self.output, self.scratch) <= 0:
            raise ValueError(f"every limit is above zero: {self}")
        whole = (self.cpu, self.memory, self.processes, self.output, self.scratch)
        if not all(isinstance(each, int) for each in whole):
            raise ValueError(f"every limit but wall is a whole number: {self}")


@dataclass(frozen=True)
class Outcome:
    """How the run of a program ended.

    Attributes:
        status: ``passed`` only where all tests ran to their end without an error; ``killed`` where
            the program's process ended by a signal that no limit sent.
        stdout: What program and tests printed, cut at the limit.
        stderr: The same of standard error, with the tests' traceback at its end.
        seconds: Wall time from start to verdict.
    """

    status: Status
    stdout: str
    stderr: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all tests ran to their end without an error."""
        return self.status == "passed"
