"""Words become arguments: nothing that is a value is taken for an option, and mistakes are named."""

from __future__ import annotations

import math
from typing import Any

import pytest

from jupyter_aml.commands.parameters import gathered, tag_pairs, typed
from jupyter_aml.commands.tree import find
from jupyter_aml.errors import AmlError, InvalidError, UsageError


def parsed(*words: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    call = find(words).parse(variables)
    return call.arguments | {f"common_{name}": value for name, value in call.common.items()}


def refused(*words: str, variables: dict[str, Any] | None = None) -> AmlError:
    with pytest.raises(UsageError) as caught:
        parsed(*words, variables=variables)
    return caught.value


def test_a_notebook_takes_options_before_and_after_it() -> None:
    found = parsed(
        "submit", "-c", "local", "train.ipynb", "-p", "alpha", "0.1", "--parameter", "n", "5", "--wait"
    )
    assert (found["target"], found["compute"], found["wait"]) == ("train.ipynb", "local", True)
    assert found["parameters"] == (("alpha", 0.1), ("n", 5))
    assert found["rest"] == []


def test_what_follows_a_script_is_the_scripts_own() -> None:
    found = parsed("submit", "-e", "iris", "train.py", "--wait", "-n", "3", "--help", "-p", "x")
    assert (found["target"], found["experiment"], found["wait"], found["name"]) == (
        "train.py",
        "iris",
        False,
        None,
    )
    assert found["rest"] == ["--wait", "-n", "3", "--help", "-p", "x"]


def test_two_dashes_begin_a_command() -> None:
    found = parsed("submit", "-n", "report", "--", "make", "-j2", "--", "all")
    assert (found["target"], found["name"], found["rest"]) == (None, "report", ["make", "-j2", "--", "all"])


@pytest.mark.parametrize("value", ["-1e3", "--wait", "-x", "a b", "", "=", "=3", "--", "-p", "$x"])
def test_a_parameters_value_is_never_an_option(value: str) -> None:
    assert parsed("submit", "a.ipynb", "-r", "text", value, "--retries", "2")["raw_parameters"] == (
        ("text", value),
    )


def test_positional_arguments_may_stand_around_options() -> None:
    assert parsed("compare", "a", "-o", "json", "b")["runs"] == ("a", "b")


def test_options_in_every_form_argparse_knows() -> None:
    assert parsed("runs", "--limit=5")["limit"] == parsed("runs", "-n5")["limit"] == 5
    assert parsed("submit", "a.ipynb", "--no-wait")["wait"] is False


def test_azures_flags_of_no_effect_are_taken() -> None:
    found = parsed(
        "job", "show", "-n", "x", "-g", "group", "-w", "ws", "--subscription", "s", "--query", "status"
    )
    assert (found["name"], found["common_workspace"], found["common_query"]) == ("x", "ws", "status")


def test_a_name_may_be_given_without_its_flag() -> None:
    assert parsed("job", "show", "quiet-fox-12")["name"] == "quiet-fox-12"
    assert parsed("workspace", "create", "mine", "-g", "group")["resource_group"] == "group"


@pytest.mark.parametrize(
    ("words", "headline", "hint"),
    [
        (["sumbit"], "There is no command 'sumbit'.", "Did you mean 'submit'?"),
        (["job", "shwo"], "aml job has no 'shwo'.", "Did you mean 'show'?"),
        (
            ["submit", "a.ipynb", "--computee", "x"],
            "aml submit has no option '--computee'.",
            "Did you mean '--compute'?",
        ),
        (["runs", "-o", "jsn"], "aml runs: --output cannot be 'jsn'.", "Did you mean 'json'?"),
        (
            ["runs", "--limit", "many"],
            "aml runs: --limit: 'many' is no whole number.",
            "See: aml runs --help",
        ),
        (["status", "now"], "aml status does not take 'now'.", "See: aml status --help"),
        (
            ["submit", "a.ipynb", "-p", "alpha"],
            "aml submit: --parameter: expected 2 arguments.",
            "See: aml submit --help",
        ),
        (
            ["show", "--quiet=1", "x"],
            "aml show: --quiet: ignored explicit argument '1'.",
            "See: aml show --help",
        ),
    ],
)
def test_mistakes_are_named_with_the_nearest_right_word(words: list[str], headline: str, hint: str) -> None:
    error = refused(*words)
    assert (error.headline, error.hint) == (headline, hint)


def test_a_missing_argument_is_explained() -> None:
    error = refused("show")
    assert error.headline == "aml show needs RUN."
    assert error.hint is not None
    assert "its id" in error.hint
    assert refused("job", "show").headline == "aml job show needs --name."


class Thing:
    id = "0123"


@pytest.mark.parametrize("value", ["--wait; rm -rf ~", "a b", "$other", "-x", "{curly}", "0.5", ""])
def test_a_variables_value_is_never_split_or_read_as_an_option(value: str) -> None:
    found = parsed("submit", "a.ipynb", "-n", "$v", "-p", "x", "$v", variables={"v": value})
    assert (found["name"], found["parameters"], found["wait"]) == (value, (("x", value),), False)


def test_variables_in_words() -> None:
    values = {"alpha": 0.1, "grid": [1, 2], "run": Thing(), "name": "x"}
    found = parsed(
        "submit",
        "$name.ipynb",
        "-n",
        "t-$alpha-${name}s",
        "-p",
        "a",
        "$alpha",
        "-p",
        "g",
        "${grid}",
        variables=values,
    )
    assert (found["target"], found["name"]) == ("x.ipynb", "t-0.1-xs")
    assert found["parameters"] == (("a", 0.1), ("g", [1, 2]))
    assert parsed("show", "$run", variables=values)["run"] == "0123"
    assert parsed("submit", "--", "echo", "$$HOME", "${{inputs.x}}", variables=values)["rest"] == [
        "echo",
        "$HOME",
        "${{inputs.x}}",
    ]


def test_an_unknown_variable_is_named() -> None:
    error = refused("submit", "a.ipynb", "-p", "a", "$alpah", variables={"alpha": 1})
    assert (error.headline, error.hint) == (
        "There is no variable 'alpah' in the notebook.",
        "Did you mean 'alpha'?",
    )


def test_the_shell_expands_its_own_variables() -> None:
    assert parsed("submit", "a.ipynb", "-r", "a", "$HOME")["raw_parameters"] == (("a", "$HOME"),)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("inf", math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ('{"a": 1}', {"a": 1}),
        ("{a: 1}", {"a": 1}),
        ("no", "no"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("0x1f", "0x1f"),
        ("", ""),
        ("[1, 2", "[1, 2"),
        ("\u0661", "\u0661"),
        ("rbf", "rbf"),
        ("1 2", "1 2"),
    ],
)
def test_parameters_are_typed(text: str, value: object) -> None:
    found = typed(text)
    assert (found, type(found)) == (value, type(value))


def test_parameter_options_win_over_the_file(tmp_path: Any) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("alpha: 1\nbeta: [1, 2]\n")
    assert gathered([("alpha", 2)], [("gamma", "3")], str(file)) == {"alpha": 2, "beta": [1, 2], "gamma": "3"}
    file.write_text("- 1\n")
    with pytest.raises(InvalidError, match="must hold a mapping"):
        gathered([], [], str(file))
    file.write_text("a: [")
    with pytest.raises(InvalidError, match="not valid YAML"):
        gathered([], [], str(file))
    with pytest.raises(AmlError, match="There is no file"):
        gathered([], [], str(tmp_path / "none.yaml"))


def test_tags_need_a_name() -> None:
    assert tag_pairs(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(InvalidError, match="is no tag"):
        tag_pairs(["a"])
