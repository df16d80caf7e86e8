"""What all venues share beside the words: where a connection goes when it is told another address."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from venues.registry import DIALECTS, venue_named


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_another_address_keeps_the_path_that_the_venue_has_at_its_own(name: str) -> None:
    """So that the local exchange, or a recording, can be named by its address alone."""
    venue = venue_named(name)
    own, other = urlsplit(venue.url(["BTCUSDT"])), urlsplit(venue.url(["BTCUSDT"], "ws://127.0.0.1:9"))
    assert (own.scheme, other.scheme, other.netloc) == ("wss", "ws", "127.0.0.1:9")
    assert (other.path.rstrip("/"), other.query) == (own.path.rstrip("/"), own.query)
