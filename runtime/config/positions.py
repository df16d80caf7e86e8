"""On which line of a TOML file each key stands, so that an error can name it; tomli does not tell.

The text has been parsed by tomli before it comes here, so this scanner checks nothing: it follows the keys and steps
over the values. Should it ever lose its way it stops, and the keys after that are told without a line.
"""

from __future__ import annotations

import bisect
import contextlib
import re

import tomli

from runtime.config.errors import KeyPath

SPACE = re.compile(r"[ \t]*")
BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
KEY_PART = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')[ \t]*""")
STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''',
    re.DOTALL,
)
BARE_VALUE = re.compile(r"[^,\]}\n#]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of every table, key and list item of a valid TOML document."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    with contextlib.suppress(_Lost):
        scanner.document()
    return scanner.lines


class _Lost(Exception):
    """The scanner met something it does not know."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[KeyPath, int] = {}
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.tables_of_list: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        self.skip(BLANK)
        while self.position < len(self.text):
            if self.text.startswith("[[", self.position):
                table = self.list_header()
            elif self.text.startswith("[", self.position):
                self.position += 1
                table = self.resolve(self.key())
                self.note(table)
                self.expect("]")
            else:
                self.pair(table)
            self.skip(BLANK)

    def list_header(self) -> KeyPath:
        self.position += 2
        key = self.key()
        path = (*self.resolve(key[:-1]), key[-1])
        index = self.tables_of_list.get(path, -1) + 1
        self.tables_of_list[path] = index
        self.note(path)
        self.note((*path, f"[{index}]"))
        self.expect("]]")
        return (*path, f"[{index}]")

    def resolve(self, key: KeyPath) -> KeyPath:
        """The path that a header means: inside a list of tables it is the last one begun."""
        path: KeyPath = ()
        for part in key:
            path = (*path, part)
            if path in self.tables_of_list:
                path = (*path, f"[{self.tables_of_list[path]}]")
        return path

    def pair(self, table: KeyPath) -> None:
        path = table + self.key()
        self.note(path)
        self.expect("=")
        self.skip(SPACE)
        self.value(path)

    def value(self, path: KeyPath) -> None:
        if self.text.startswith("[", self.position):
            self.items(path)
        elif self.text.startswith("{", self.position):
            self.inline_table(path)
        else:
            match = STRING.match(self.text, self.position) or BARE_VALUE.match(self.text, self.position)
            if match is None:
                raise _Lost
            self.position = match.end()

    def items(self, path: KeyPath) -> None:
        self.position += 1
        self.skip(BLANK)
        index = 0
        while not self.text.startswith("]", self.position):
            item = (*path, f"[{index}]")
            self.note(item)
            self.value(item)
            self.comma("]")
            index += 1
        self.position += 1

    def inline_table(self, path: KeyPath) -> None:
        self.position += 1
        self.skip(BLANK)
        while not self.text.startswith("}", self.position):
            self.pair(path)
            self.comma("}")
        self.position += 1

    def comma(self, end: str) -> None:
        self.skip(BLANK)
        if self.text.startswith(",", self.position):
            self.position += 1
            self.skip(BLANK)
        elif not self.text.startswith(end, self.position):
            raise _Lost

    def key(self) -> KeyPath:
        parts: list[str] = []
        while True:
            match = KEY_PART.match(self.text, self.position)
            if match is None:
                raise _Lost
            self.position = match.end()
            part = match.group(1)
            parts.append(part if part[0] not in "\"'" else str(tomli.loads(f"x={part}")["x"]))
            if not self.text.startswith(".", self.position):
                return tuple(parts)
            self.position += 1

    def note(self, path: KeyPath) -> None:
        """Remember the line of a key and of the tables that its dots imply."""
        line = bisect.bisect_left(self.newlines, self.position) + 1
        for length in range(len(path), 0, -1):
            if self.lines.setdefault(path[:length], line) != line:
                break

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()

    def expect(self, wanted: str) -> None:
        self.skip(SPACE)
        if not self.text.startswith(wanted, self.position):
            raise _Lost
        self.position += len(wanted)
