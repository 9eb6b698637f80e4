"""Who takes turns of a budget, and when they come."""

import asyncio

from proxy.model import ClientKey
from proxy.model.errors import Problem, ProblemError
from proxy.upstream.rate_window import Urgency

KEY, OTHER = ClientKey.of("a"), ClientKey.of("b")
PAID, ORDER, LIST, CATALOGUE, ALONE, TURN = Urgency
LONG = 1e6


def now():
    return asyncio.get_running_loop().time()


async def filled(window, requests, urgency=PAID):
    for _ in range(requests):
        await window.take(urgency, 0.0, 0.0, "call")


def waiting(window, name, come, urgency=PAID, since=0.0, patience=LONG):
    """A task that notes its name and the time when its turn has come, or that it gave up."""

    async def wait():
        try:
            await window.take(urgency, since, patience, "call")
            come.append((name, now()))
        except ProblemError as error:
            assert error.problem is Problem.RATE_LIMITED
            come.append((f"{name} gave up", now()))

    return asyncio.create_task(wait())


async def takes(budget, key, call="call", urgency=PAID, patience=0.0, most=1000):
    """How many turns come at once."""
    for number in range(most):
        try:
            await budget.take(key, call, urgency, 0.0, patience)
        except ProblemError:
            return number
    return most
