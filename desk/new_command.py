"""`hftrun new strategy NAME`: writes a strategy, its configuration and its test, ready to run. It never overwrites."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path
from typing import Final

from desk.exits import EXIT_OK, EXIT_USAGE
from desk.new_templates import CONFIG, STRATEGY, TEST

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
# What the written files call something else already: actors, services and instruments, and classes that are imported.
TAKEN: Final = frozenset({"book", "order_manager", "risk", "paper_venue", "portfolio", "feed", "btc"})
TAKEN_CLASSES: Final = frozenset({"Strategy", "Message", "TopOfBook", "WantedQuotes", "ActorSetup", "DecimalText"})


class NameRefused(ValueError):
    """A name that no strategy can have; the message says why."""


def new_strategy(name: str, folder: Path) -> int:
    """Write the three files into a folder, which is made if need be; exit code 2 when nothing was written."""
    texts = {f"{name}.py": STRATEGY, f"{name}.toml": CONFIG, f"test_{name}.py": TEST}
    try:
        class_name = check_word(name)
        check_places([folder / file for file in texts])
        check_module(name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, template in texts.items():
            # "x": what somebody else made in this very moment is not overwritten either.
            with (folder / file).open("x", encoding="utf-8") as written:
                written.write(template.substitute(name=name, class_name=class_name))
    except NameRefused as refused:
        return _refuse(str(refused))
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}")
    print(f"wrote {', '.join(texts)}" + ("" if folder == Path() else f" in {folder}"))
    print("\nNext:")
    if folder != Path():
        print(f"  cd {folder}")
    print(f"  hftrun check {name}.toml")
    print(f"  {_python()} -m pytest test_{name}.py")
    print(f"  hftrun {name}.toml")
    print(f"\nThe strategy is {name}.py; docs/strategies.md tells how it is built and what else it can hear and say.")
    return EXIT_OK


def check_places(places: list[Path]) -> None:
    """Refuse a name whose files are there."""
    there = [str(place) for place in places if place.exists() or place.is_symlink()]
    if there:
        raise NameRefused(f"there already: {', '.join(there)}. Nothing is overwritten: choose another name or --folder")


def check_word(name: str) -> str:
    """The name of the class for a name of a strategy; `NameRefused` for one that cannot be."""
    if NAME.fullmatch(name) is None:
        raise NameRefused(
            f"{name!r} cannot name a strategy: a small letter, then at most 39 small letters, digits and underscores, "
            "such as my_strategy"
        )
    class_name = "".join(part.capitalize() for part in name.split("_") if part)
    if name in TAKEN or class_name in TAKEN_CLASSES:
        raise NameRefused(f"{name!r} is what another part of it is called: choose another name, such as my_{name}")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise NameRefused(f"{name!r} is a word of Python: choose another name, such as {name}_strategy")
    if name.startswith("test_"):
        raise NameRefused(f"{name!r} would be taken for a test: choose a name that does not begin with test_")
    return class_name


def check_module(name: str) -> None:
    """Refuse a name that would hide a module from the tests beside it, or from Python itself."""
    found = importlib.util.find_spec(name)
    # A file of that name where the command was started hides nothing from anybody else.
    here = found is not None and found.origin is not None and Path(found.origin).parent == Path.cwd()
    if name in sys.stdlib_module_names or (found is not None and not here):
        raise NameRefused(
            f"there is a Python module {name!r} already, which a file {name}.py would hide: choose another name, such "
            f"as {name}_strategy"
        )


def _python() -> str:
    return "python" if sys.prefix == sys.base_prefix else str(Path(sys.executable))


def _refuse(reason: str) -> int:
    sys.stderr.write(f"hftrun: {reason}\n")
    return EXIT_USAGE
