"""The pages about orders and the router tell every setting with its default, as the class says."""

from __future__ import annotations

import pytest

from actors.order_manager_params import OrderManagerParams
from actors.router_params import RouterParams
from tests.data import ROOT
from tests.strategies.test_pages import told


@pytest.mark.parametrize(("page", "params"), [("orders.md", OrderManagerParams), ("router.md", RouterParams)])
def test_every_setting_is_on_its_page(page: str, params: type) -> None:
    """Name, default, what is allowed and what it does."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    missing = [row for row in told(params) if row not in text]
    assert missing == [], "\n".join(missing)
