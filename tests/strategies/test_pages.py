"""The pages about strategies: their code runs as it stands there, and every setting is told with its default."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from actors.fair_value_params import FairValueParams
from desk.new_templates import CONFIG, STRATEGY
from runtime.config.rules import Rule
from strategies.market_maker_params import MarketMakerParams
from tests.data import ROOT
from tests.desk.processes import environment, run

TUTORIAL = (ROOT / "docs/strategies.md").read_text(encoding="utf-8")
NAMES = {"name": "my_strategy", "class_name": "MyStrategy"}


def blocks(language: str) -> list[str]:
    """The code of one language in the tutorial, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)


def test_the_first_strategy_of_the_tutorial_is_what_the_command_writes() -> None:
    """What a reader sees is what he has before him."""
    assert blocks("python")[0] == STRATEGY.substitute(NAMES)


def test_the_second_strategy_of_the_tutorial_runs(tmp_path: Path) -> None:
    """Put together as the page says, it is checked, passes its test and trades."""
    _, strategy, test = blocks("python")
    fair_value, setting = blocks("toml")
    config = CONFIG.substitute(NAMES)
    assert config.count("[actors.order_manager]") == 1
    config = config.replace("[actors.order_manager]", f"{fair_value}\n[actors.order_manager]") + setting
    for name, text in (("my_strategy.py", strategy), ("my_strategy.toml", config), ("test_my_strategy.py", test)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    code, output, errors = run("check", "my_strategy.toml", cwd=tmp_path)
    assert code == 0, errors
    assert output.splitlines()[-1] in blocks("text")[3]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_strategy.py"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    # On a machine that is busy the market and the feeds may take longer to be there than a short run lasts.
    for duration in ("2s", "20s"):
        code, output, errors = run("my_strategy.toml", "--offline", "--plain", "--duration", duration, cwd=tmp_path)
        assert code == 0, errors
        if re.search(r"quotes [0-9.]+/", output):
            return
    pytest.fail(f"it never quoted:\n{output}")


def told(params: type) -> list[str]:
    """The rows of the table of settings, as the page has to have them."""
    rows = []
    for field in attrs.fields(params):
        rule = field.metadata["rule"]
        expected = rule.expected if isinstance(rule, Rule) else "true or false"
        unit = field.metadata["unit"]
        if field.default is attrs.NOTHING:
            default = "must be given"
        elif isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
            default = "empty"
        elif isinstance(field.default, str):
            default = f'`"{field.default}"`'
        else:
            default = f"`{str(field.default).lower()}`"
        rows.append(
            f"| `{field.name}` | {default} | {expected}{f', in {unit}' if unit else ''} | {field.metadata['help']} |"
        )
    return rows


@pytest.mark.parametrize(
    ("page", "params"), [("market-making.md", MarketMakerParams), ("fair-value.md", FairValueParams)]
)
def test_every_setting_is_on_its_page(page: str, params: type) -> None:
    """Name, default, what is allowed and what it does, as the class says."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    missing = [row for row in told(params) if row not in text]
    assert missing == [], "\n".join(missing)
