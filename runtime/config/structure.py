"""Raw TOML values into attrs classes, strictly: nothing is coerced, and every problem is found, not the first.

cattrs dispatches on the types; the hooks here replace its lenient ones. A class of settings may use text, whole
numbers, floats, booleans, `DecimalText`, `Secret`, literals, enums, optional values, lists and tuples, tables by
name and further attrs classes.
"""

from __future__ import annotations

import enum
import math
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs
import cattrs

from runtime.config.errors import (
    MASK,
    QUOTE_IT,
    KeyPath,
    Problem,
    RuleBroken,
    did_you_mean,
    names_a_secret,
    render_value,
)
from runtime.config.rules import DECIMAL, DecimalText, Rule, key_of
from runtime.config.secrets import Secret, read_secret

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

MAPPINGS = (dict, typing.get_origin(Mapping[str, int]))
SEQUENCES = (list, tuple, typing.get_origin(Sequence[int]))


class Refused(Exception):
    """The problems of a value, with keys relative to it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class Collector(Protocol):
    """Takes problems as they are found."""

    def add_problem(self, problem: Problem) -> None:
        """Take one."""


def structure(
    raw: object, wanted: type[T], key: KeyPath, collector: Collector, converter: cattrs.Converter
) -> T | None:
    """The raw value as an instance of `wanted`; None when it cannot be, with the reasons in the collector."""
    try:
        return converter.structure(raw, wanted)
    except Refused as refused:
        problems = refused.problems
    except RuleBroken as broken:
        problems = [_problem(broken, raw)]
    for problem in problems:
        collector.add_problem(problem._replace(key=key + problem.key))
    return None


def structure_params(
    raw: Mapping[str, Any],
    params_class: type[T],
    key_path: KeyPath,
    collector: Collector,
    *,
    directory: str = "",
    environment: Mapping[str, str] | None = None,
) -> T | None:
    """The settings of an actor or service as its `PARAMS` class; None when something is wrong with them.

    `directory` is where relative secret files are looked for, `environment` where secrets come from.
    """
    return structure(dict(raw), params_class, key_path, collector, make_converter(directory, environment))


def make_converter(directory: str = "", environment: Mapping[str, str] | None = None) -> cattrs.Converter:
    """A strict converter; secrets are read relative to `directory` and from `environment` (by default the real one)."""
    variables = os.environ if environment is None else environment
    converter = cattrs.Converter()
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(DecimalText, _decimal)
    converter.register_structure_hook(Secret, lambda value, _: read_secret(value, directory, variables))
    converter.register_structure_hook_factory(_is_enum, _enum_hook)
    converter.register_structure_hook_factory(_is_literal, _literal_hook)
    converter.register_structure_hook_factory(_is_sequence, lambda kind: _list_hook(kind, converter))
    converter.register_structure_hook_factory(_is_mapping, lambda kind: _table_hook(kind, converter))
    converter.register_structure_hook_factory(attrs.has, lambda kind: _class_hook(kind, converter))
    return converter


def expected_of(attribute: Any) -> str:
    """What an attribute expects, in words: its type and its rule."""
    kind = TYPE_WORDS.get(attribute.type, "")
    rule: Rule | None = attribute.metadata.get("rule")
    if kind not in (WHOLE_NUMBER, NUMBER):
        return kind if rule is None else rule.expected
    unit = attribute.metadata.get("unit")
    expected = kind if rule is None else rule.expected.replace("a number", kind)
    return f"{expected}, in {unit}" if unit else expected


# ---------------------------------------------------------------- single values

TEXT = "text in quotes"
WHOLE_NUMBER = "a whole number"
NUMBER = "a number"
BOOLEAN = "true or false"
TYPE_WORDS: dict[Any, str] = {str: TEXT, int: WHOLE_NUMBER, float: NUMBER, bool: BOOLEAN}


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise RuleBroken(TEXT, QUOTE_IT)
    return value


def _boolean(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise RuleBroken(BOOLEAN, "write it without quotes" if isinstance(value, str) else "")
    return value


def _whole_number(value: object, _: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RuleBroken(WHOLE_NUMBER, "write it without quotes" if isinstance(value, str) else "")
    return value


def _number(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RuleBroken(NUMBER, "write it without quotes" if isinstance(value, str) else "")
    return float(value)


def _decimal(value: object, _: object) -> DecimalText:
    if isinstance(value, str):
        if DECIMAL.fullmatch(value) is None:
            raise RuleBroken('a decimal in quotes without exponent, such as "0.01"')
        return DecimalText(value)
    raise RuleBroken('a decimal in quotes, such as "0.01"', QUOTE_IT)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _enum_hook(kind: Any) -> Hook:
    choices = {member.value: member for member in kind}

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, (str, int)) or isinstance(value, bool) or value not in choices:
            raise _not_one_of(value, list(choices))
        return choices[value]

    return hook


def _is_literal(kind: Any) -> bool:
    origin: Any = typing.get_origin(kind)
    return origin is typing.Literal


def _literal_hook(kind: Any) -> Hook:
    choices = list(typing.get_args(kind))

    def hook(value: object, _: object) -> Any:
        for choice in choices:
            if type(choice) is type(value) and choice == value:
                return choice
        raise _not_one_of(value, choices)

    return hook


def _not_one_of(value: object, choices: list[Any]) -> RuleBroken:
    words = [str(choice) for choice in choices]
    return RuleBroken(f"one of {', '.join(words)}", did_you_mean(value, words) if isinstance(value, str) else "")


# ---------------------------------------------------------------- lists, tables, classes


def _is_sequence(kind: Any) -> bool:
    return typing.get_origin(kind) in SEQUENCES


def _is_mapping(kind: Any) -> bool:
    return kind is dict or typing.get_origin(kind) in MAPPINGS


def _list_hook(kind: Any, converter: cattrs.Converter) -> Hook:
    item_kind = typing.get_args(kind)[0]
    container = list if typing.get_origin(kind) is list else tuple

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, list):
            raise RuleBroken("a list", "put it in brackets: [...]")
        problems: list[Problem] = []
        items = [_part(item, item_kind, f"[{index}]", converter, problems) for index, item in enumerate(value)]
        if problems:
            raise Refused(problems)
        return container(items)

    return hook


def _table_hook(kind: Any, converter: cattrs.Converter) -> Hook:
    arguments = typing.get_args(kind)
    value_kind = arguments[1] if arguments else Any

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, dict):
            raise RuleBroken("a table")
        problems: list[Problem] = []
        table = {name: _part(part, value_kind, name, converter, problems) for name, part in value.items()}
        if problems:
            raise Refused(problems)
        return table

    return hook


def _class_hook(kind: Any, converter: cattrs.Converter) -> Hook:
    attrs.resolve_types(kind)
    attributes = {key_of(attribute): attribute for attribute in attrs.fields(kind)}

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, dict):
            raise RuleBroken("a table")
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        for key, attribute in attributes.items():
            if key in value:
                values[attribute.alias] = _field(value[key], attribute, key, converter, problems)
            elif attribute.default is attrs.NOTHING:
                expected = f"missing; expected {expected_of(attribute) or 'a value'}"
                problems.append(Problem((key,), "", expected, f"add {key}: {attribute.metadata.get('help', '')}"))
        # The value of an unknown key is not shown: it may be a secret under a misspelt name.
        unknown = [key for key in value if key not in attributes]
        problems.extend(Problem((key,), "", "unknown key", did_you_mean(key, attributes)) for key in unknown)
        if problems:
            raise Refused(problems)
        return kind(**values)

    return hook


def _field(value: Any, attribute: Any, key: str, converter: cattrs.Converter, problems: list[Problem]) -> Any:
    """One attribute, with its own rule checked here so that the rules of its siblings are checked too."""
    found: list[Problem] = []
    structured = _part(value, attribute.type, key, converter, found)
    item_rule = getattr(attribute.metadata.get("rule"), "item_rule", None)
    if not found and item_rule is not None:
        found = [_at(key, problem) for problem in _broken_items(structured, item_rule)]
    elif not found and attribute.validator is not None:
        try:
            attribute.validator(None, attribute, structured)
        except RuleBroken as broken:
            found.append(_at(key, _problem(broken, value)))
        except (ValueError, TypeError) as error:  # attrs' own validators
            found.append(_at(key, Problem((), render_value(value), str(error.args[0] if error.args else error))))
    for problem in found:
        if problem.key == (key,):
            problem = problem._replace(expected=expected_of(attribute) or problem.expected)
        if names_a_secret((key,)) and problem.value:
            problem = problem._replace(value=f'"{MASK}"')
        problems.append(problem)
    return structured


def _broken_items(values: Any, rule: Rule) -> list[Problem]:
    """The items of a list or table that break the rule for each."""
    named = values.items() if isinstance(values, Mapping) else ((f"[{at}]", item) for at, item in enumerate(values))
    return [
        Problem((name,), render_value(item, (name,)), rule.expected, rule.remedy)
        for name, item in named
        if not rule.holds(item)
    ]


def _part(value: Any, kind: Any, key: str, converter: cattrs.Converter, problems: list[Problem]) -> Any:
    """One part of a larger value; None when it is refused, with the reasons added to the problems."""
    try:
        return converter.structure(value, kind)
    except Refused as refused:
        problems.extend(_at(key, problem) for problem in refused.problems)
    except RuleBroken as broken:
        problems.append(_at(key, _problem(broken, value, key)))
    return None


def _at(key: str, problem: Problem) -> Problem:
    return problem._replace(key=(key, *problem.key))


def _problem(broken: RuleBroken, value: object, key: str = "") -> Problem:
    shown = render_value(value, (key,) if key else ()) if broken.value is None else broken.value
    return Problem(broken.key, shown, broken.expected, broken.remedy)
