"""The schema of market data messages: what comes from venues, and what is derived from it. Numbers 1 to 99."""

from __future__ import annotations

from typing import Final

from market.message_schema.forms import (
    CONNECTION,
    INSTRUMENT,
    LADDER,
    RECEIVE_NS,
    VENUE_NS,
    GroupSpec,
    MessageSpec,
    field,
    identifier,
    named,
    price,
    ratio,
    size,
    text,
)

MARKET_DATA: Final = GroupSpec(
    "market_data", "Market data", "What comes from venues, and what is derived from it.", 1, 99, (
    MessageSpec(1, "RawFrame", "One frame of a venue, as received.", (
        CONNECTION,
        named("kind", "frame_kind", "A stream message or a snapshot."),
        identifier("instrument_id", "The instrument, where the request for the frame named it; else 0."),
        RECEIVE_NS,
        field("data", "bytes", "The exact bytes."),
    )),
    MessageSpec(2, "ConnectionUp", "A connection to a venue is established and subscribed.", (
        CONNECTION,
        identifier("epoch", "Counts the connections made; what an older epoch sends is void."),
    )),
    MessageSpec(3, "ConnectionDown", "A connection to a venue is lost or was closed.", (
        CONNECTION,
        identifier("epoch", "The epoch that ended."),
        text("reason", "Why, for people."),
    )),
    MessageSpec(4, "TopOfBook", "The best bid and ask of one venue's book, and how far it can be trusted.", (
        INSTRUMENT,
        named("state", "book_state", "Whether the book is usable."),
        price("bid_price", "The best bid; meaningless when bid_size is 0."),
        size("bid_size", "The size at the best bid; 0 when there is no bid."),
        price("ask_price", "The best ask; meaningless when ask_size is 0."),
        size("ask_size", "The size at the best ask; 0 when there is no ask."),
        identifier("update_id", "The venue's sequence number of the book."),
        VENUE_NS,
        RECEIVE_NS,
    )),
    MessageSpec(5, "BookStateChanged", "A venue's book became live, or stopped being so.", (
        INSTRUMENT,
        named("state", "book_state", "The new state."),
        text("cause", "What made it change: gap, checksum, crossed, silence, connection, snapshot applied."),
        VENUE_NS,
        RECEIVE_NS,
    )),
    MessageSpec(6, "BookSnapshot", "A whole book, or the top of one to a depth.", (
        INSTRUMENT,
        identifier("update_id", "The venue's sequence number of the book."),
        *LADDER,
        VENUE_NS,
        RECEIVE_NS,
    )),
    MessageSpec(7, "BookDelta", "Levels that changed; a size of 0 deletes the level.", (
        INSTRUMENT,
        identifier("first_update_id", "The first sequence number that the delta covers."),
        identifier("update_id", "The last sequence number that it covers."),
        *LADDER,
        VENUE_NS,
        RECEIVE_NS,
    )),
    MessageSpec(8, "PublicTrade", "A trade at a venue, ours or not.", (
        INSTRUMENT,
        identifier("trade_id", "The venue's trade number, or a counter where it has none."),
        price("price", "The price."),
        size("size", "The size."),
        named("aggressor_side", "side", "The side of the incoming order."),
        VENUE_NS,
        RECEIVE_NS,
    )),
    MessageSpec(9, "SnapshotWanted", "The venue book asks its connection for a snapshot or a new subscription.", (
        CONNECTION,
        identifier("instrument_id", "The instrument whose book is incomplete."),
        text("cause", "Why it is needed."),
    )),
    MessageSpec(10, "FairValue", "What an instrument is held to be worth.", (
        INSTRUMENT,
        ratio("price", "The fair price, in scaled price units with a fraction.", "price"),
        ratio("confidence", "From 0 (none) to 1."),
        RECEIVE_NS,
    )),
    MessageSpec(11, "Signal", "A forecast or indicator of a strategy or model.", (
        text("name", "Which signal."),
        INSTRUMENT,
        ratio("value", "Its value; positive means up."),
        ratio("confidence", "From 0 (none) to 1."),
        RECEIVE_NS,
    )),
))  # fmt: skip
