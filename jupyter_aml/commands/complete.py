"""What may come next on a command line: commands, options, and the values the workspace knows."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Command, Option
from jupyter_aml.commands.parse import cut_rest
from jupyter_aml.commands.session import LAST
from jupyter_aml.commands.tree import longest_match

if TYPE_CHECKING:
    from jupyter_aml.client import Client

_BUDGET_SECONDS = 0.2
_RUNS_OFFERED = 50
_JOB_SUFFIXES = (".ipynb", ".py")


class Offers:
    """The values of options. What the service knows is asked within 200 ms, and never starts a service.

    Args:
        connect: gives the client of the workspace meant, None where there is no such workspace.
        variables: the names of the notebook's variables.
    """

    def __init__(self, connect: Callable[[], Client | None], variables: Sequence[str] = ()) -> None:
        self._connect = connect
        self._variables = variables

    def values(self, option: Option, fragment: str) -> list[str]:
        """The values of ``option`` that may stand where ``fragment`` is."""
        if option.choices:
            return list(option.choices)
        if option.values in ("file", "job"):
            return _files(fragment, _JOB_SUFFIXES if option.values == "job" else None)
        if option.values == "variable":
            listed = fragment[: fragment.rfind(",") + 1]  # what is before the last comma is there already
            return [listed + name for name in self._variables]
        if option.values == "compute":
            return ["local", *self._asked(_computes)]
        if option.values == "environment":
            return self._asked(_environments)
        if option.values == "model":
            return self._asked(_models)
        if option.values == "workspace":
            from jupyter_aml.client.locate import workspace_names

            return workspace_names()
        if option.values == "run":
            return self._asked(lambda client: _runs(client, fragment))
        if option.values == "experiment":
            return self._asked(_experiments)
        return []

    def _asked(self, ask: Callable[[Client], list[str]]) -> list[str]:
        """What ``ask`` finds, or nothing when it takes too long (it is quicker the next time)."""
        found: list[str] = []

        def work() -> None:
            from jupyter_aml.errors import AmlError

            try:
                client = self._connect()
                if client is not None and _answers(client):
                    found.extend(ask(client))
            except AmlError:  # a completion that fails is no completion
                return

        thread = threading.Thread(target=work, name="aml-completion", daemon=True)
        thread.start()
        thread.join(_BUDGET_SECONDS)
        return list(found)


def _answers(client: Client) -> bool:
    from jupyter_aml.client import launch

    return client.location.root is None or launch.is_running(client.location.folder)


def _runs(client: Client, fragment: str) -> list[str]:
    page = client.call("search_runs", limit=_RUNS_OFFERED, archived=None)
    names = [item["display_name"] for item in page["items"] if " " not in item["display_name"]]
    ids = [item["id"] for item in page["items"] if fragment and item["id"].startswith(fragment)]
    return [LAST, *dict.fromkeys(names), *ids]


def _experiments(client: Client) -> list[str]:
    return [item["name"] for item in client.call("list_experiments", limit=_RUNS_OFFERED)["items"]]


def _environments(client: Client) -> list[str]:
    page = client.call("list_environments", limit=_RUNS_OFFERED)
    return [item["name"] for item in page["items"]]


def _models(client: Client) -> list[str]:
    return [item["name"] for item in client.call("list_models", limit=_RUNS_OFFERED)["items"]]


def _computes(client: Client) -> list[str]:
    return [item["name"] for item in client.call("list_computes")["items"]]


def _files(fragment: str, suffixes: tuple[str, ...] | None) -> list[str]:
    found = []
    for path in sorted(glob.glob(glob.escape(os.path.expanduser(fragment)) + "*")):
        if os.path.isdir(path):
            found.append(path + os.sep)
        elif suffixes is None or path.endswith(suffixes):
            found.append(path)
    return found


def complete(words: Sequence[str], fragment: str, commands: Sequence[Command], offers: Offers) -> list[str]:
    """The words that may stand where ``fragment`` is, after ``words``; all begin with ``fragment``."""
    if words and words[0] == "help":
        return _next_words(list(words[1:]), fragment, commands)
    command = longest_match(words, commands)
    if command is None:
        more = ["help"] if not words else []
        return _next_words(list(words), fragment, commands, more)
    found = _for_command(command, list(words[len(command.words) :]), fragment, offers)
    return [word for word in dict.fromkeys(found) if word.startswith(fragment)]


def _next_words(
    words: list[str], fragment: str, commands: Sequence[Command], more: Sequence[str] = ()
) -> list[str]:
    following = [c.words[len(words)] for c in commands if len(c.words) > len(words) and _begins(c, words)]
    return [word for word in dict.fromkeys([*following, *more]) if word.startswith(fragment)]


def _begins(command: Command, words: list[str]) -> bool:
    return list(command.words[: len(words)]) == words


def _for_command(command: Command, words: list[str], fragment: str, offers: Offers) -> list[str]:
    _, passed_on = cut_rest(command, [*words, fragment])
    if passed_on:
        return _files(fragment, None)
    waiting, positionals = _position(command, words)
    if waiting is not None:
        return offers.values(waiting, fragment)
    if fragment.startswith("-"):
        return _flags(command, words)
    places = command.positionals()
    if places:
        place = places[min(positionals, len(places) - 1)]
        if positionals < len(places) or place.arity == "several":
            return offers.values(place, fragment)
    return [] if fragment else _flags(command, words)


def _position(command: Command, words: list[str]) -> tuple[Option | None, int]:
    """The option whose value comes next, if one does, and how many positional arguments there are so far."""
    positionals = position = 0
    while position < len(words):
        option = command.option_of(words[position])
        if option is None:
            positionals += not words[position].startswith("-")
            position += 1
            continue
        left = len(words) - position - 1
        if left < option.takes:
            return (option if option.arity != "pairs" else _NOTHING), positionals
        position += 1 + option.takes
    return None, positionals


_NOTHING = Option("", (), "")


def _flags(command: Command, words: list[str]) -> list[str]:
    found: list[str] = []
    for option in command.options:
        repeatable: Any = option.arity in ("repeated", "several", "pairs")
        if repeatable or not set(option.all_flags()) & set(words):
            found += [flag for flag in option.all_flags() if flag.startswith("--")]
    return [*found, "--help"]
