"""Every figure that this project claims, in the order in which they are measured."""

from __future__ import annotations

from typing import Final

from benchmarks import (
    aggregating,
    books,
    channels,
    decoding_binance,
    decoding_kraken,
    decoding_streamed,
    decoding_ten_levels,
    exchange_core,
    exchange_gateway,
    journal,
    lanes,
    matching,
    measuring,
    messages,
    positions,
    recovery,
    slowdown,
    start,
)
from benchmarks.figures import Figure

FIGURES: Final[tuple[Figure, ...]] = (
    books.level_update,
    books.depth_message,
    aggregating.aggregated_update,
    decoding_binance.decode_spot,
    decoding_binance.decode_usdm,
    decoding_binance.decode_coinm,
    decoding_streamed.decode_bybit,
    decoding_streamed.decode_okx,
    decoding_ten_levels.decode_coinbase,
    decoding_ten_levels.decode_deribit,
    decoding_kraken.kraken,
    decoding_kraken.checksum,
    messages.make,
    messages.make_compiled,
    lanes.lane_hop,
    lanes.lane_hop_interpreted,
    channels.channel_message,
    journal.journal_append,
    journal.journal_replay,
    measuring.histogram_record,
    positions.position_fill,
    matching.operation,
    matching.operation_p99,
    matching.operation_p999,
    matching.orders_per_second,
    matching.memory_grown,
    matching.sweep_fill,
    exchange_core.order,
    exchange_gateway.durable_orders,
    exchange_gateway.roundtrip_median,
    exchange_gateway.roundtrip_tail,
    recovery.gap_recovery,
    start.help_printed,
    slowdown.pure_slowdown,
)
