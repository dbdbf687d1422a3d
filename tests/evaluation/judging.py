"""Judges whose rule is known, behind the interface of any text engine."""

import asyncio
import re
from contextlib import asynccontextmanager

from limbeck.engines import Capabilities, Response, Unanswered

FENCED = re.compile(
    r"The fence is (?P<f>\S+)\n\n(?P=f) instruction\n(?P<prompt>.*)\n(?P=f) response A\n(?P<a>.*)"
    r"\n(?P=f) response B\n(?P<b>.*)\n(?P=f) end\n\nWhich[^\n]*\Z",
    re.DOTALL,
)


def parts(text):
    """Instruction, response A and response B, as a reader who keeps to the fences finds them."""
    found = FENCED.search(text)
    assert found, text
    return found["prompt"], found["a"], found["b"]


def longer(prompt, a, b):
    """The rule of a judge that likes length."""
    return "C" if len(a) == len(b) else "A" if len(a) > len(b) else "B"


class Speaks:
    """Answers with ``rule(prompt, a, b)``."""

    capabilities = Capabilities(log_probs=False, seed=True)

    def __init__(self, rule, fails=()):
        self.rule, self.fails, self.requests = rule, set(fails), []

    @asynccontextmanager
    async def open(self):
        async def ask(request):
            await asyncio.sleep(0)
            self.requests.append(request)
            if len(self.requests) in self.fails:
                raise Unanswered("busy")
            return Response(self.rule(*parts(request.prompt[-1].content)), "stop", 10, 1)

        yield ask
