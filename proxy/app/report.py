"""How compatible the programs are that spoke to the sandbox: as JSON and as lines. Pure."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from proxy.config.clients import load_clients
from proxy.console.advice import PROBLEMS
from proxy.endpoint.actions import ACTIONS
from proxy.endpoint.actions.parameters import names_of
from proxy.endpoint.compatibility import Compatibility, Incompatibility, Occurrences
from proxy.legacy.dialects import DIALECTS
from proxy.model.errors import Problem
from proxy.runtime.counters import Counters

Row = dict[str, Any]

# The program what clearly for what is not sold here.
_CLEAR = frozenset({Problem.UNSUPPORTED_WISH.name, Problem.BAD_CURRENCY.name})
_HARMLESS = "without effect here"
_OLD = "no counterpart upstream: take it out of the program, see docs/dialects.md"


def report(found: Compatibility, counters: Counters) -> Row:
    """`requests` of all programs, `understood` and `refused` of them, `summary` in one line, rows
    of `actions`, `parameters` and `refusals`, the last two also as `lines`; `dropped` counts what
    had no row left.
    """
    rows = found.rows.items()
    old = _old_actions()
    actions = _actions(found, counters)
    refusals = [_refusal(what, seen, old) for what, seen in rows if what.kind in _REFUSALS]
    parameters = [_parameter(what, seen) for what, seen in rows if what.kind in _PARAMETERS]
    counts = Counter[bool]()
    for what, seen in rows:
        if what.kind in ("action", "problem", "refused"):
            counts[_is_understood(what, seen, old)] += seen.count
    requests = sum(row["count"] for row in actions)
    result: Row = {
        "requests": requests,
        "understood": requests - counts[False],
        "refused": counts[True] + counts[False],
        "actions": actions,
        "parameters": parameters,
        "refusals": refusals,
        "dropped": found.dropped,
    }
    found_lines = [_line(row) for row in (*parameters, *refusals)]
    return {"summary": _summary(result, old), "lines": found_lines, **result}


def lines(result: Row) -> str:
    """The report for a terminal."""
    text = [f"Compatibility: {result['summary']}"]
    for row in result["actions"]:
        answers = ", ".join(f"{word} {count}" for word, count in row["answers"].items())
        text.append(f"  {row['dialect']} {row['action']}: {row['count']} ({answers})")
    text += [f"  {line}" for line in result["lines"]]
    if result["dropped"]:
        text.append(f"  and {result['dropped']} more of other names")
    return "\n".join(text)


def _line(row: Row) -> str:
    """One row of parameters or refusals as a sentence."""
    what = f"{row['parameter']} is " if "parameter" in row else ""
    word = f" with {row['word']}" if "word" in row else ""
    times = "once" if row["count"] == 1 else f"{row['count']} times"
    said = f"{what}{row['use']}{word}, {times}: {row['advice']}"
    return f"{row['dialect']} {row['action']}: {said} [{row['request']}]"


_PARAMETERS, _REFUSALS = ("ignored", "unknown", "refused"), ("action", "problem")


def _old_actions() -> frozenset[str]:
    own = {action for dialect in DIALECTS.values() for action in dialect.refused}
    return frozenset({*load_clients().actions, *own})


def _actions(found: Compatibility, counters: Counters) -> list[Row]:
    """Every action with its count and its answers by word; those that are not served by name."""
    answers: dict[tuple[str, str], Counter[str]] = {}
    for (dialect, action, word), count in counters.of("answers"):
        answers.setdefault((dialect, action), Counter())[word] += count
    for what, seen in found.rows.items():
        if what.kind == "action":
            answers.setdefault((what.dialect, what.name), Counter())[seen.word] += seen.count
            others = answers.setdefault((what.dialect, "other"), Counter())
            # A refusal in an envelope counts as JSON.
            others[seen.word if seen.word in others else "JSON"] -= seen.count
    kept = ((key, +words) for key, words in sorted(answers.items()))
    return [
        {"dialect": key[0], "action": key[1], "count": words.total(), "answers": dict(words)}
        for key, words in kept
        if words
    ]


def _parameter(what: Incompatibility, seen: Occurrences) -> Row:
    advice = seen.says or _HARMLESS
    if what.kind == "unknown":
        known = _like(what.name, names_of(what.action))
        advice = f"did you mean {known}?" if known else f"no parameter of it, {_HARMLESS}"
    return _row(what, seen, advice) | {"parameter": what.name}


def _refusal(what: Incompatibility, seen: Occurrences, old: frozenset[str]) -> Row:
    if what.kind == "problem":
        is_method = what.name == Problem.BAD_ACTION.name
        advice = "It is served to GET and POST." if is_method else PROBLEMS[what.name]
        return _row(what, seen, advice) | {"problem": what.name}
    advice = _OLD
    if what.name not in old:
        known = _like(what.name, ACTIONS)
        advice = f"no such action{f': did you mean {known}?' if known else ''}"
    return _row(what, seen, advice) | {"action": what.name, "problem": "BAD_ACTION"}


def _row(what: Incompatibility, seen: Occurrences, advice: str) -> Row:
    use = "refused" if what.kind in _REFUSALS else what.kind
    row = {"dialect": what.dialect, "action": what.action, "use": use, "count": seen.count}
    word = {"word": seen.word} if seen.word else {}
    return {**row, **word, "request": seen.request, "advice": advice}


def _is_understood(what: Incompatibility, seen: Occurrences, old: frozenset[str]) -> bool:
    if what.kind == "action":
        return what.name in old
    return what.name in _CLEAR or (what.kind == "refused" and seen.problem in _CLEAR)


def _summary(result: Row, old: frozenset[str]) -> str:
    requests, understood = result["requests"], result["understood"]
    if not requests:
        return "no program has asked anything"
    noun = "request" if requests == 1 else "requests"
    is_all = requests == understood
    first = f"all {requests} {noun}" if is_all else f"{understood} of {requests} {noun}"
    return "; ".join([f"{first} understood", *dict.fromkeys(_parts(result, old))])


def _parts(result: Row, old: frozenset[str]) -> Iterator[str]:
    """What the summing line names, the lightest first."""
    for use in ("unknown", "ignored", "refused"):
        for row in result["parameters"]:
            if row["use"] == use:
                yield f"`{row['parameter']}` is {use}"
    for row in result["refusals"]:
        if row["action"] in old:
            yield f"`{row['action']}` has no counterpart"
        elif row["problem"] == "BAD_ACTION":
            yield f"`{row['action']}` is no action"
        else:
            yield f"`{row['action']}` was answered {row['word']}"


def _like(name: str, known: Iterable[str]) -> str:
    """The most similar of the known names, ignoring case; "" if none is similar."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else ""
