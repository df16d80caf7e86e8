"""Accounts: balances, deposits and withdrawals, what is held for open orders, trades and their fees. All exact.

It promises that assets are conserved to the last unit, and that no account ever owes: what is held for an order is
enough for everything that it can still lead to, so a trade needs no check. Why that is so stands at each rule;
`check_invariants` compares everything with everything. It knows no engine, no session and no message.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.records import PPM, Account, ExchangeError, FeeTerms, Market, OpenOrder, OrderGroup
from market.messages import BUY, GROUP_BRACKET

# Of one account in one asset: 10^18 whole units.
MOST_AMOUNT: Final = 10**30
FEE_ACCOUNT: Final = 0


class InvariantBroken(Exception):
    """Balances, holds and open orders do not agree; the message says where. It is a fault of the exchange."""


class Accounts:
    """All accounts of an exchange, and the exchange's own one, which takes the fees and pays the rebates."""

    def __init__(self, assets: list[str], fee_in_received: bool) -> None:
        self.assets: Final = assets
        self.place_of: Final[dict[str, int]] = {asset: place for place, asset in enumerate(assets)}
        if len(self.place_of) != len(assets):
            raise ExchangeError(f"an asset is named twice: {', '.join(assets)}")
        self.fee_in_received: Final = fee_in_received
        self.fees: Final = Account(FEE_ACCOUNT, "exchange", 0, len(assets), [])
        self.by_id: Final[dict[int, Account]] = {}
        # Deposits minus withdrawals, by asset.
        self.deposited: list[int] = [0] * len(assets)
        # The accounts and assets whose balance has changed and was not told yet, in the order of the changes.
        self.changed_accounts: list[Account] = []
        self.changed_assets: list[int] = []
        self.changed_orders: list[OpenOrder] = []

    def add(self, account: Account) -> None:
        """Add an account."""
        if account.account_id == FEE_ACCOUNT or account.account_id in self.by_id:
            raise ExchangeError(f"account {account.name}: its id {account.account_id} is taken; give it another")
        self.by_id[account.account_id] = account

    def in_order(self) -> list[Account]:
        """The exchange's own account, then all others by their ids."""
        return [self.fees, *(self.by_id[account_id] for account_id in sorted(self.by_id))]

    def note(self, account: Account, asset: i64) -> None:
        """Remember that a balance has changed."""
        if not account.changed[asset]:
            account.changed[asset] = True
            self.changed_accounts.append(account)
            self.changed_assets.append(asset)

    def note_order(self, order: OpenOrder) -> None:
        """Remember that what an order holds must be computed anew."""
        if not order.changed:
            order.changed = True
            self.changed_orders.append(order)

    # ---- transfers

    def transfer(self, account: Account, asset: i64, amount: int) -> str:
        """Deposit, or withdraw where the amount is negative; gives what is wrong, and then nothing has happened."""
        after = account.total[asset] + amount
        if amount == 0 or abs(amount) > MOST_AMOUNT or abs(after) > MOST_AMOUNT:
            return "the amount is zero or too large"
        if amount < 0 and after < account.held[asset]:
            return "the account has less than that, without what is held for its orders"
        account.total[asset] = after
        self.deposited[asset] += amount
        self.note(account, asset)
        return ""

    # ---- what is held

    def need_of(self, order: OpenOrder, price: i64, size: i64) -> int:
        """What an order by itself holds for this much at this worst price: a buy of its quote, a sell of its base.

        A sell gives its size. A buy gives price times size and, where fees are taken in quote, the higher fee of that
        and one unit a lot: its fills cost no more than the price, have no higher rate, and each rounds its fee up by
        less than one unit. So what is held before a fill covers the fill and what is held after it.
        """
        if size <= 0:
            return 0
        market = order.market
        if order.side != BUY:
            base: int = size
            return base * market.size_factor
        if price <= 0:
            return 0
        return self.cost_of(order.account.terms[market.place], market, gross_of(market, price, size), size)

    def cost_of(self, terms: FeeTerms, market: Market, gross: int, size: i64) -> int:
        """The most that buying this much for this gross amount takes out of the quote balance."""
        if self.fee_in_received or terms.hold_ppm == 0:
            return gross
        rate: int = terms.hold_ppm
        cost = gross + gross * rate // PPM
        if terms.money_lot != 0:
            cost += size // terms.money_lot
        return cost

    def set_held(self, order: OpenOrder) -> None:
        """Hold what a single order needs now."""
        needed = self.need_of(order, order.worst_price, order.remaining)
        if needed != order.held:
            asset = order.held_asset()
            order.account.held[asset] += needed - order.held
            order.held = needed
            self.note(order.account, asset)

    def set_held_by_group(self, group: OrderGroup, account: Account, market: Market) -> None:
        """Hold what the orders of a group need together now."""
        quote, base = self.needs_of_group(group)
        if quote != group.held_quote:
            account.held[market.quote] += quote - group.held_quote
            group.held_quote = quote
            self.note(account, market.quote)
        if base != group.held_base:
            account.held[market.base] += base - group.held_base
            group.held_base = base
            self.note(account, market.base)

    def needs_of_group(self, group: OrderGroup) -> tuple[int, int]:
        """What the orders of a group hold together, of quote and of base.

        The two of a pair trade no more than the larger of them, so a pair that sells holds its larger size, and one
        that buys holds for the dearer order whole and for what the other could trade beyond it. A bracket holds for
        its entry as a single order, and for its exits as for a pair; but exits that sell are covered by what the
        entry is still going to buy, less its fee where that is taken out of it.
        """
        quote = 0
        base = 0
        entry: OpenOrder | None = None
        pair: list[OpenOrder] = []
        for order in group.members:
            if group.kind == GROUP_BRACKET and not order.is_exit:
                entry = order
            elif order.room > 0:
                pair.append(order)
        if entry is not None:
            needed = self.need_of(entry, entry.worst_price, entry.remaining)
            if entry.side == BUY:
                quote += needed
            else:
                base += needed
        if len(pair) == 0:
            return quote, base
        if pair[0].side == BUY:
            return quote + self.cost_of_pair(pair), base
        larger = pair[0].room
        if len(pair) > 1:
            larger = max(larger, pair[1].room)
        factor = pair[0].market.size_factor
        selling: int = larger
        coming = 0 if entry is None else self.least_bought(entry)
        return quote, base + max(0, selling * factor - coming)

    def cost_of_pair(self, pair: list[OpenOrder]) -> int:
        """The most that buying by one or two orders costs of which each shrinks by what the other trades."""
        first = pair[0]
        market = first.market
        terms = first.account.terms[market.place]
        if len(pair) == 1:
            return self.cost_of(terms, market, gross_of(market, first.worst_price, first.room), first.room)
        second = pair[1]
        dear, cheap = (first, second) if first.worst_price >= second.worst_price else (second, first)
        gross = gross_of(market, dear.worst_price, dear.room)
        if cheap.room > dear.room:
            gross += gross_of(market, cheap.worst_price, cheap.room - dear.room)
        return self.cost_of(terms, market, gross, max(dear.room, cheap.room))

    def least_bought(self, entry: OpenOrder) -> int:
        """The least that what is left of an entry brings in base once it is bought."""
        market = entry.market
        size: int = entry.remaining
        bought = size * market.size_factor
        terms = entry.account.terms[market.place]
        if self.fee_in_received and terms.hold_ppm != 0:
            rate: int = terms.hold_ppm
            bought -= bought * rate // PPM
            if terms.base_lot != 0:
                bought -= entry.remaining // terms.base_lot
        return bought

    def can_hold(self, account: Account, asset: i64, more: int) -> bool:
        """Whether so much more of an asset can be held."""
        return more <= 0 or account.total[asset] - account.held[asset] >= more

    def settle_holds(self) -> None:
        """Compute anew what the orders hold that have changed."""
        for order in self.changed_orders:
            order.changed = False
            group = order.group
            if group is None:
                self.set_held(order)
            elif not group.changed:
                group.changed = True
        for order in self.changed_orders:
            group = order.group
            if group is not None and group.changed:
                group.changed = False
                self.set_held_by_group(group, order.account, order.market)
        self.changed_orders.clear()

    # ---- trades

    def trade(self, order: OpenOrder, gross: int, size: i64, rate_ppm: i64) -> int:
        """Book one side of a trade; gives its fee, a rebate below zero, rounded up to a whole unit."""
        market = order.market
        account = order.account
        sized: int = size
        bought = sized * market.size_factor
        rate: int = rate_ppm
        if order.side == BUY:
            if self.fee_in_received:
                fee = -(-bought * rate // PPM)
                bought -= fee
                self.take_fee(market.base, fee)
            else:
                fee = -(-gross * rate // PPM)
                gross += fee
                self.take_fee(market.quote, fee)
            account.total[market.quote] -= gross
            account.total[market.base] += bought
        else:
            fee = -(-gross * rate // PPM)
            self.take_fee(market.quote, fee)
            account.total[market.quote] += gross - fee
            account.total[market.base] -= bought
        self.note(account, market.quote)
        self.note(account, market.base)
        return fee

    def take_fee(self, asset: i64, fee: int) -> None:
        """The exchange's own account takes a fee or pays a rebate; it alone may fall below zero."""
        if fee != 0:
            self.fees.total[asset] += fee

    # ---- checks

    def check_balance(self, account: Account, asset: i64) -> None:
        """What is held is neither below nothing nor above what is there."""
        held = account.held[asset]
        if held < 0 or held > account.total[asset]:
            raise InvariantBroken(
                f"account {account.account_id} holds {held} of {account.total[asset]} {self.assets[asset]}"
            )

    def check_invariants(self) -> None:
        """Compare everything: assets are conserved, and what is held is what the open orders need."""
        for place, asset in enumerate(self.assets):
            kept = sum(account.total[place] for account in self.in_order())
            if kept != self.deposited[place]:
                raise InvariantBroken(f"{kept} of {asset} are kept, and {self.deposited[place]} were deposited")
        for account in self.by_id.values():
            needed = [0] * len(self.assets)
            for order in account.orders.values():
                group = order.group
                if group is None:
                    needed[order.held_asset()] += self.need_of(order, order.worst_price, order.remaining)
                elif len(group.members) > 0 and group.members[0] is order:
                    quote, base = self.needs_of_group(group)
                    needed[order.market.quote] += quote
                    needed[order.market.base] += base
            if needed != account.held:
                raise InvariantBroken(f"account {account.account_id} holds {account.held}, and needs {needed}")
            for place in range(len(self.assets)):
                self.check_balance(account, place)


def gross_of(market: Market, price: i64, size: i64) -> int:
    """Price times size as an amount of the quote."""
    wide_price: int = price
    wide_size: int = size
    return wide_price * wide_size * market.money_factor
