"""Who may trade: the sessions that are open, and the last nonce of every key.

A key's nonce must be larger than the one before it, for ever: nonces are kept when sessions end, and none is dropped to
make room, so that nothing that was sent once can open a session again.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.accounts import Accounts
from exchange.records import Account, Session
from market.messages import SessionOpened

NO_SESSION: Final = "there is no open session of this account: log in first"


class SessionStore:
    """See the head of this file. Sessions with negative numbers are inside the process and need no opening."""

    def __init__(self, most_sessions: i64, most_keys: i64) -> None:
        self.most_sessions: Final[i64] = most_sessions
        self.most_keys: Final[i64] = most_keys
        self.sessions: dict[int, Session] = {}
        self.nonces: dict[str, int] = {}

    def refusal_of(self, opened: SessionOpened) -> str:
        """Why a session may not be opened; empty where it may."""
        last = self.nonces.get(opened.key_id)
        if last is None:
            if i64(len(self.nonces)) >= self.most_keys:
                return "the exchange keeps no more keys"
        elif opened.nonce <= last:
            return f"the nonce must be larger than {last}, the last one of this key"
        if opened.session_id <= 0:
            return "a session has a positive number"
        if i64(len(self.sessions)) >= self.most_sessions and opened.session_id not in self.sessions:
            return "the exchange has no more sessions"
        return ""

    def open(self, opened: SessionOpened, account: Account) -> None:
        """Open a session that nothing speaks against."""
        self.nonces[opened.key_id] = opened.nonce
        self.sessions[opened.session_id] = Session(opened.session_id, account, opened.cancel_on_disconnect)

    def close(self, session_id: i64) -> Session | None:
        """Forget a session; gives it where there was one."""
        return self.sessions.pop(session_id, None)

    def may_trade(self, session_id: i64, account_id: i64) -> bool:
        """Whether a session may enter and change orders of an account."""
        if session_id < 0:
            return True
        session = self.sessions.get(session_id)
        return session is not None and session.account.account_id == account_id

    def of_clients(self) -> list[Session]:
        """All open sessions."""
        return list(self.sessions.values())

    def save(self) -> dict[str, object]:
        """As plain data."""
        return {
            "sessions": [
                [int(one.session_id), int(one.account.account_id), one.cancel_on_disconnect]
                for one in self.sessions.values()
            ],
            "nonces": [[key_id, nonce] for key_id, nonce in self.nonces.items()],
        }

    def load(self, state: dict[str, object], accounts: Accounts) -> None:
        """Take back what `save` gave."""
        sessions = state["sessions"]
        nonces = state["nonces"]
        assert isinstance(sessions, list)
        assert isinstance(nonces, list)
        for session_id, account_id, cancels in sessions:
            account = accounts.by_id.get(account_id)
            if account is not None:
                self.sessions[session_id] = Session(session_id, account, cancels)
        for key_id, nonce in nonces:
            self.nonces[key_id] = nonce
