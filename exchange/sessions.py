"""The connections of clients: what each may do, what it asks, and what it is told. No socket is touched here.

A connection takes frames and answers every request in them: itself, where it is a matter of form, rights, limits or
public data; or by passing it on to the exchange's lane and relaying the answer. It never waits. What a client does
wrong ends, at worst, its own connection, with a code and a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from exchange.gateway_params import GatewayParams
from exchange.keys import ADMIN, READ, TRADE, Key, KeyRing
from exchange.outbox import Outbox, Stream
from exchange.protocol import (
    GROUP_NUMBERS,
    STATE_NUMBERS,
    STATUS_NUMBERS,
    AnyRequest,
    Asker,
    Cancel,
    CancelAll,
    Group,
    Instruments,
    Listing,
    Login,
    Malformed,
    Order,
    PingRequest,
    Refused,
    Replace,
    SetStatus,
    State,
    Subscribe,
    Transfer,
    Unsubscribe,
    check_client_order_id,
    decode_frame,
    entry_of,
    parse_amount,
    parse_transfer,
)
from exchange.protocol_events import (
    Answer,
    EventWriter,
    Heartbeat,
    InstrumentsEvent,
    Welcome,
    encode,
    instrument_row,
    listing_of,
    login_answer,
    refusal,
)
from exchange.public import PublicSide
from exchange.records import AMOUNT_SCALE
from market.instruments import Instrument
from market.messages import (
    REJECT_OTHER,
    AccountStateWanted,
    CancelAllWanted,
    CancelWanted,
    Message,
    ReplaceWanted,
    RequestAnswered,
    SessionAnswered,
    SessionOpened,
    StatusWanted,
    TransferWanted,
)

PROTOCOL_VERSION: Final = 1
NANOSECONDS: Final = 1_000_000_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

CLOSE_NORMAL: Final = 1000
CLOSE_GOING_AWAY: Final = 1001
CLOSE_UNSUPPORTED: Final = 1003
CLOSE_LOGIN: Final = 4001
CLOSE_FLOOD: Final = 4002
CLOSE_SILENT: Final = 4003
CLOSE_SLOW: Final = 4004
CLOSE_UNFINISHED: Final = 4005

_SCOPE_NAMES: Final = {READ: "read", TRADE: "trade", ADMIN: "admin"}


class Bucket:
    """A rate with a burst, in whole nanoseconds; a part of the burst may be kept for what must always pass."""

    __slots__ = ("_burst_ns", "_interval_ns", "_reached_ns", "_reserve_ns")

    def __init__(self, per_second: int, burst: int, reserve: int = 0) -> None:
        self._interval_ns = NANOSECONDS // per_second
        self._burst_ns = burst * self._interval_ns
        self._reserve_ns = reserve * self._interval_ns
        self._reached_ns = 0

    def take(self, now_ns: int, uses_reserve: bool = False) -> bool:
        """Take one, if there is one."""
        reached_ns = max(self._reached_ns, now_ns) + self._interval_ns
        limit_ns = self._burst_ns if uses_reserve else self._burst_ns - self._reserve_ns
        if reached_ns - now_ns > limit_ns:
            return False
        self._reached_ns = reached_ns
        return True


class GroupAnswer:
    """The answers to the orders of a group, of which one is told: the first, or the refusal that says most."""

    __slots__ = ("affected", "missing", "told")

    def __init__(self, count: int) -> None:
        self.missing = count
        self.affected = 0
        self.told: RequestAnswered | None = None

    def take(self, message: RequestAnswered) -> None:
        """Count one answer."""
        self.missing -= 1
        self.affected += message.affected
        told = self.told
        if told is None or (message.refused and (not told.refused or told.code == REJECT_OTHER)):
            self.told = message


class Hub:
    """What all connections of one gateway share."""

    def __init__(
        self,
        params: GatewayParams,
        keys: KeyRing,
        instruments: Sequence[Instrument],
        forward: Callable[[list[Message]], None],
    ) -> None:
        self.params = params
        self.keys = keys
        self.listings: dict[str, Listing] = {one.venue_symbol: listing_of(one) for one in instruments}
        self.assets = {asset for one in instruments for asset in (one.base, one.quote)}
        self.writer = EventWriter({listing.instrument_id: listing for listing in self.listings.values()})
        self.public = PublicSide(self.listings.values(), self.writer)
        self.instruments = encode(InstrumentsEvent(instruments=[instrument_row(one) for one in instruments]))
        self.forward = forward
        self.sessions: dict[int, Connection] = {}
        self.accounts: dict[int, dict[Connection, None]] = {}
        # Logins that the lane has not answered in time, since it answered one or they were told.
        self.unanswered_logins = 0


class Connection:
    """One client's connection."""

    def __init__(
        self, hub: Hub, session_id: int, address: str, ring: Callable[[], None], on_cut: Callable[[], None]
    ) -> None:
        params = hub.params
        self.hub = hub
        self.session_id = session_id
        self.address = address
        self.outbox = Outbox(params.private_queue_bytes, params.public_queue_bytes, ring)
        self.key: Key | None = None
        self.account_id = 0
        self.scopes = 0
        self.is_open = False
        self.has_asked_to_open = False
        self.close_code = CLOSE_NORMAL
        self.close_reason = ""
        self.is_cut = False
        self.failed_logins = 0
        # By number when each was passed on; a dict keeps the order, so the oldest is the first.
        self.pending: dict[int, int] = {}
        self.groups: dict[int, GroupAnswer] = {}
        self.streams: dict[str, Stream] = {}
        self.asker = Asker(params.exchange_id, session_id, 0)
        self._on_cut = on_cut
        self._rate = Bucket(params.messages_per_second, params.burst, params.burst // 10)
        self._faults = Bucket(max(1, params.most_faults // 10), params.most_faults)
        hub.sessions[session_id] = self

    # ---- the life of a connection

    def greet(self, now_ns: int) -> None:
        """Send the first event."""
        params = self.hub.params
        self.tell(
            encode(
                Welcome(
                    protocol=PROTOCOL_VERSION,
                    time_ms=now_ns // NANOSECONDS_PER_MILLISECOND,
                    heartbeat_ms=params.heartbeat_ms,
                    silence_ms=params.silence_ms,
                    most_requests=params.most_requests,
                    messages_per_second=params.messages_per_second,
                    burst=params.burst,
                    most_pending=params.most_pending,
                    most_subscriptions=params.most_subscriptions,
                )
            )
        )

    def cut(self, code: int, reason: str) -> None:
        """End the connection; the first reason counts."""
        if not self.is_cut:
            self.is_cut = True
            self.close_code = code
            self.close_reason = reason
            self._on_cut()

    def leave(self) -> None:
        """Give up everything that the connection holds; it is over."""
        self.is_cut = True
        hub = self.hub
        hub.sessions.pop(self.session_id, None)
        members = hub.accounts.get(self.account_id)
        if members is not None:
            members.pop(self, None)
            if not members:
                del hub.accounts[self.account_id]
        for stream in self.streams.values():
            hub.public.unsubscribe(stream)
        self.streams.clear()
        self.pending.clear()

    def tell(self, event: bytes) -> None:
        """Queue an answer or a private event; a client for whom it does not fit is cut."""
        if not self.outbox.add_private(event):
            self.cut(CLOSE_SLOW, "private events do not fit the queue: read faster")

    def beat(self, now_ns: int) -> None:
        """Send a sign of life, and answer requests that have waited for too long."""
        self.outbox.add_heartbeat(encode(Heartbeat(time_ms=now_ns // NANOSECONDS_PER_MILLISECOND)))
        late_ns = now_ns - self.hub.params.answer_ms * NANOSECONDS_PER_MILLISECOND
        for request_id, sent_ns in list(self.pending.items()):
            if sent_ns > late_ns:
                break
            del self.pending[request_id]
            self.groups.pop(request_id, None)
            remedy = "it may still: ask for state"
            if not self.is_open:
                self.hub.unanswered_logins += 1
                remedy = "log in on another connection"
            self.tell(refusal(request_id, "timeout", f"the exchange has not answered in time; {remedy}"))

    # ---- what the lane answers

    def on_session_answered(self, message: SessionAnswered) -> None:
        """The lane has taken the login, or refused it."""
        self.hub.unanswered_logins = 0
        if self.pending.pop(message.request_id, None) is None or self.key is None or self.is_open:
            return
        self.tell(login_answer(message, self.key.scope_words()))
        if message.refused:
            self.key = None
            self._count_failed_login()
            return
        self.is_open = True
        self.scopes = self.key.scopes
        self.account_id = message.account_id
        self.asker = Asker(self.hub.params.exchange_id, self.session_id, message.account_id)
        if self.scopes & READ:
            self.hub.accounts.setdefault(message.account_id, {})[self] = None

    def on_answered(self, message: RequestAnswered) -> None:
        """The lane has answered a request, or one order of a group: a group is answered once, with its last order."""
        request_id = message.request_id
        if request_id not in self.pending:
            return
        affected = message.affected
        group = self.groups.get(request_id)
        if group is not None:
            group.take(message)
            if group.missing:
                return
            del self.groups[request_id]
            assert group.told is not None
            message, affected = group.told, group.affected
        del self.pending[request_id]
        self.tell(self.hub.writer.answer(message, affected))

    # ---- what the client asks

    def receive(self, frame: str | bytes, now_ns: int) -> None:
        """Serve the requests of one frame."""
        if self.is_cut:
            return
        if not isinstance(frame, str):
            self.cut(CLOSE_UNSUPPORTED, "send text frames")
            return
        try:
            requests = decode_frame(frame, self.hub.params.most_requests)
        except Malformed as wrong:
            requests = [wrong]
        wanted: list[Message] = []
        for request in requests:
            if self.is_cut:
                break
            self._serve(request, now_ns, wanted)
        if wanted:
            self.hub.forward(wanted)

    def _serve(self, request: AnyRequest | Malformed, now_ns: int, wanted: list[Message]) -> None:
        try:
            if isinstance(request, Malformed):
                self._count_fault(now_ns)
                raise request
            is_cancel = isinstance(request, Cancel | CancelAll)
            if not self._rate.take(now_ns, is_cancel):
                self._count_fault(now_ns)
                raise Refused("rate_limited", "too many requests: keep to messages_per_second and burst of welcome")
            if isinstance(request, Order):
                self._require(TRADE)
                listing = self._listing(request.symbol)
                self._check_room(request.id)
                wanted.append(entry_of(request, self.asker, request.id, listing, now_ns))
                self.pending[request.id] = now_ns
            elif isinstance(request, Cancel | CancelAll | Replace | Group):
                self._change(request, now_ns, wanted)
            elif isinstance(request, Login | Transfer | SetStatus | State):
                self._ask(request, now_ns, wanted)
            else:
                self._answer(request, now_ns)
        except Refused as refused:
            request_id = request.request_id if isinstance(request, Malformed) else request.id
            self.tell(refusal(request_id, refused.code, refused.text))

    def _change(self, request: Cancel | CancelAll | Replace | Group, now_ns: int, wanted: list[Message]) -> None:
        """What changes orders, beside the entry of a single one."""
        self._require(TRADE)
        self._check_room(request.id, isinstance(request, Cancel | CancelAll))
        asker = self.asker
        who = (asker.exchange_id, asker.session_id, asker.account_id, request.id)
        made: list[Message]
        if isinstance(request, Cancel):
            listing = self._listing(request.symbol)
            _check_named(request)
            made = [CancelWanted(*who, listing.instrument_id, request.order_id, request.client_order_id, now_ns)]
        elif isinstance(request, Replace):
            listing = self._listing(request.symbol)
            _check_named(request)
            price = parse_amount("price", request.price, listing.price_scale)
            size = parse_amount("size", request.size, listing.size_scale)
            named = (listing.instrument_id, request.order_id, request.client_order_id)
            made = [ReplaceWanted(*who, *named, price, size, now_ns)]
        elif isinstance(request, CancelAll):
            made = [CancelAllWanted(*who, self._listing(request.symbol).instrument_id if request.symbol else 0, now_ns)]
        else:
            listing = self._listing(request.orders[0].symbol)
            if any(form.symbol != listing.symbol for form in request.orders):
                raise Refused("malformed", "the orders of a group must have one symbol")
            kind, count = GROUP_NUMBERS[request.kind], len(request.orders)
            made = [entry_of(form, asker, request.id, listing, now_ns, kind, count) for form in request.orders]
            self.groups[request.id] = GroupAnswer(count)
        self.pending[request.id] = now_ns
        wanted += made

    def _ask(self, request: Login | Transfer | SetStatus | State, now_ns: int, wanted: list[Message]) -> None:
        """What concerns the session, the account, or the exchange as a whole."""
        self._check_room(request.id)
        if isinstance(request, Login):
            made: Message = self._login(request, now_ns)
        else:
            self._require(READ if isinstance(request, State) else ADMIN)
            asker = self.asker
            who = (asker.exchange_id, asker.session_id, asker.account_id, request.id)
            if isinstance(request, State):
                made = AccountStateWanted(*who, STATE_NUMBERS[request.what], request.since_sequence, now_ns)
            elif isinstance(request, SetStatus):
                instrument_id = self._listing(request.symbol).instrument_id
                made = StatusWanted(*who, instrument_id, STATUS_NUMBERS[request.status], now_ns)
            else:
                if request.asset not in self.hub.assets:
                    raise Refused("unknown_asset", f"there is no asset {request.asset!r} here: see instruments")
                amount = parse_transfer(request.amount, AMOUNT_SCALE)
                made = TransferWanted(*who, request.account, request.asset, amount, now_ns)
        self.pending[request.id] = now_ns
        wanted.append(made)

    def _login(self, request: Login, now_ns: int) -> SessionOpened:
        if self.key is not None:
            raise Refused("logged_in", "this connection has logged in: open another one for another key")
        params = self.hub.params
        try:
            key = self.hub.keys.check(request, now_ns, params.login_window_ms)
        except Refused:
            self._count_failed_login()
            raise
        self.key = key
        self.has_asked_to_open = True
        self.account_id = key.account_id
        return SessionOpened(
            params.exchange_id,
            self.session_id,
            key.account_id,
            request.id,
            key.key_id,
            key.scopes,
            request.nonce,
            request.cancel_on_disconnect,
            now_ns,
        )

    def _answer(self, request: Subscribe | Unsubscribe | Instruments | PingRequest, now_ns: int) -> None:
        """What the gateway answers by itself."""
        affected = 0
        if isinstance(request, Subscribe):
            affected = self._subscribe(request)
        elif isinstance(request, Unsubscribe):
            for channel in request.channels:
                stream = self.streams.pop(channel, None)
                if stream is not None:
                    self.hub.public.unsubscribe(stream)
                    affected += 1
        elif isinstance(request, Instruments):
            self.tell(self.hub.instruments)
        self.tell(encode(Answer(id=request.id, ok=True, affected=affected, time_ns=now_ns)))

    def _subscribe(self, request: Subscribe) -> int:
        """All of the channels, or none where one is wrong."""
        new = [channel for channel in dict.fromkeys(request.channels) if channel not in self.streams]
        most = self.hub.params.most_subscriptions
        if len(self.streams) + len(new) > most:
            raise Refused("too_many_subscriptions", f"a connection may have {most}: unsubscribe some, or open another")
        made: list[Stream] = []
        try:
            for channel in new:
                made.append(self.hub.public.subscribe(channel, self.outbox, request.checksum))
        except Refused:
            for stream in made:
                self.hub.public.unsubscribe(stream)
            raise
        self.streams.update((stream.channel, stream) for stream in made)
        return len(made)

    # ---- rights and limits

    def _require(self, scope: int) -> None:
        if not self.scopes & scope:
            if not self.is_open:
                raise Refused("not_logged_in", "log in, and wait for the answer, before this request")
            raise Refused("scope", f"the key does not have the scope {_SCOPE_NAMES[scope]}: use one that has")

    def _listing(self, symbol: str) -> Listing:
        listing = self.hub.listings.get(symbol)
        if listing is None:
            raise Refused("unknown_instrument", f"there is no symbol {symbol!r}: the request instruments tells all")
        return listing

    def _check_room(self, request_id: int, uses_reserve: bool = False) -> None:
        """Whether one more request may wait for the lane's answer."""
        pending = self.pending
        most = self.hub.params.most_pending
        if len(pending) >= (most + most // 10 + 1 if uses_reserve else most):
            raise Refused("too_many_pending", f"{most} requests wait for their answers: wait for some")
        if request_id in pending:
            raise Refused("duplicate_id", f"the request {request_id} has not been answered yet: use another id")

    def _count_failed_login(self) -> None:
        self.failed_logins += 1
        if self.failed_logins >= self.hub.params.most_logins:
            self.cut(CLOSE_LOGIN, "too many failed logins")

    def _count_fault(self, now_ns: int) -> None:
        if not self._faults.take(now_ns):
            self.cut(CLOSE_FLOOD, "too many refused requests")


def _check_named(request: Cancel | Replace) -> None:
    if (request.order_id == 0) == (request.client_order_id == ""):
        raise Refused("malformed", "name the order by order_id or by client_order_id, and not by both")
    check_client_order_id(request.client_order_id)
