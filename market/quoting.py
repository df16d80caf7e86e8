"""Where a market maker should quote: the published formulas, as plain functions of floats. Compiled.

Avellaneda and Stoikov, "High-frequency trading in a limit order book" (2008), for a finite and an infinite horizon, and
Gueant, Lehalle and Fernandez-Tapia, "Dealing with the inventory risk" (2013), in its asymptotic closed form. Any units
will do as long as they agree: prices and distances in one unit, `volatility` in that unit per square root of a second,
`decay` (k) per unit, `arrival_rate` (A) per second, `inventory` in units of one quote's size, `risk_aversion` (gamma)
per unit of price and of inventory. Every limit for a gamma of 0 is taken exactly. `docs/market-making.md` has them all.

Nothing here knows ticks, fees or limits, and nothing decides: these are models.
"""

from __future__ import annotations

from math import exp, inf, log1p, sqrt
from typing import Final

# Below this, gamma over k is so small that a float cannot tell the formulas from their limit.
SMALL_RATIO: Final = 1e-9
# A product of gamma and volatility, squared, below this is none: floats have no digits left for it.
SMALLEST_RISK: Final = 1e-200


def intensity_half_spread(risk_aversion: float, decay: float) -> float:
    """`ln(1 + gamma / k) / gamma`: what both models ask a side for the chance of being hit; 1 / k without aversion."""
    ratio = risk_aversion / decay
    if ratio < SMALL_RATIO:
        return 1.0 / decay
    return log1p(ratio) / risk_aversion


# ---- Avellaneda and Stoikov


def reservation_price(
    mid: float, inventory: float, risk_aversion: float, volatility: float, remaining_s: float
) -> float:
    """`s - q gamma sigma^2 (T - t)`: what the next unit is worth to who holds `inventory`; a long one makes it less."""
    return mid - inventory * risk_aversion * volatility * volatility * remaining_s


def optimal_spread(risk_aversion: float, volatility: float, remaining_s: float, decay: float) -> float:
    """`gamma sigma^2 (T - t) + 2 / gamma ln(1 + gamma / k)`: from bid to ask, around the reservation price."""
    risk = risk_aversion * volatility * volatility * remaining_s
    return risk + 2.0 * intensity_half_spread(risk_aversion, decay)


def natural_discount(risk_aversion: float, volatility: float, most_inventory: float) -> float:
    """`omega = gamma^2 sigma^2 (q_max + 1)^2 / 2`, the paper's choice for inventories of up to `most_inventory`."""
    product = risk_aversion * volatility * (most_inventory + 1.0)
    return product * product / 2.0


def infinite_reservation_bid(
    mid: float, inventory: float, risk_aversion: float, volatility: float, discount: float
) -> float:
    """`s + ln(1 - (2 q + 1) gamma^2 sigma^2 / (2 omega - gamma^2 q^2 sigma^2)) / gamma`: one unit more is worth this.

    At the largest inventory that the discount is made for it is minus infinity: no price is low enough.
    """
    return mid + _infinite_offset(inventory, risk_aversion, volatility, discount)


def infinite_reservation_ask(
    mid: float, inventory: float, risk_aversion: float, volatility: float, discount: float
) -> float:
    """`s - ln(1 + (2 q - 1) gamma^2 sigma^2 / (2 omega - gamma^2 q^2 sigma^2)) / gamma`: one unit less costs this.

    It is the bid of who holds the opposite, as the paper's definition has it. The paper prints
    `s + ln(1 + (1 - 2 q) ...) / gamma`, which solves that definition only to the first order.
    """
    return mid - _infinite_offset(-inventory, risk_aversion, volatility, discount)


def _infinite_offset(inventory: float, risk_aversion: float, volatility: float, discount: float) -> float:
    """How far the reservation bid is from the mid; infinite where the model allows no such inventory."""
    risk = risk_aversion * risk_aversion * volatility * volatility
    if risk < SMALLEST_RISK:
        return 0.0
    room = 2.0 * discount - risk * inventory * inventory
    if room <= 0.0:
        return -inf if inventory > 0.0 else inf
    shift = -(2.0 * inventory + 1.0) * risk / room
    if shift <= -1.0:
        return -inf
    return log1p(shift) / risk_aversion


# ---- Gueant, Lehalle and Fernandez-Tapia


def glft_slope(risk_aversion: float, volatility: float, arrival_rate: float, decay: float) -> float:
    """`sqrt(sigma^2 gamma / (2 k A) (1 + gamma / k)^(1 + k / gamma))`: how far a unit of inventory moves the quotes."""
    if risk_aversion <= 0.0 or arrival_rate <= 0.0:
        return 0.0
    ratio = risk_aversion / decay
    # (1 + x)^(1 + 1/x) is exp((1 + 1/x) ln(1 + x)), and e where x is nothing.
    growth = exp(1.0) if ratio < SMALL_RATIO else exp((1.0 + 1.0 / ratio) * log1p(ratio))
    return volatility * sqrt(risk_aversion / (2.0 * decay * arrival_rate) * growth)


def glft_bid_distance(
    inventory: float, risk_aversion: float, volatility: float, arrival_rate: float, decay: float
) -> float:
    """`ln(1 + gamma / k) / gamma + (2 q + 1) / 2 slope`: from the mid down to the bid."""
    slope = glft_slope(risk_aversion, volatility, arrival_rate, decay)
    return intensity_half_spread(risk_aversion, decay) + (2.0 * inventory + 1.0) / 2.0 * slope


def glft_ask_distance(
    inventory: float, risk_aversion: float, volatility: float, arrival_rate: float, decay: float
) -> float:
    """`ln(1 + gamma / k) / gamma - (2 q - 1) / 2 slope`: from the mid up to the ask."""
    slope = glft_slope(risk_aversion, volatility, arrival_rate, decay)
    return intensity_half_spread(risk_aversion, decay) - (2.0 * inventory - 1.0) / 2.0 * slope
