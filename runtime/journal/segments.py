"""The names and headers of a journal's segments.

A segment is called by the number of its first record, so that a sorted listing is the order of reading. Its header
says which format, lane, message schema and build wrote it, guarded by a checksum of its own.
"""

from __future__ import annotations

import struct
from zlib import crc32

import attrs

from runtime.journal.errors import JournalDamaged, JournalForeign

MAGIC = b"hftrunjl"
FORMAT_VERSION = 2
SUFFIX = ".journal"
SEQUENCE_DIGITS = 20

_FRAME = struct.Struct("<8sII")
_FIXED = struct.Struct("<Iqq")
_TEXT_LENGTH = struct.Struct("<H")
FRAME_BYTES = _FRAME.size
# A header is three short texts: anything longer is a damaged length.
MAX_HEADER_BYTES = 4096


@attrs.frozen
class SegmentHeader:
    """Who wrote a segment, and where it begins."""

    lane: str
    schema_fingerprint: str
    build: str
    first_sequence: int
    created_ns: int


def segment_name(first_sequence: int) -> str:
    """The file name of the segment that begins with this record."""
    return f"{first_sequence:0{SEQUENCE_DIGITS}d}{SUFFIX}"


def first_sequence_of(name: str) -> int | None:
    """The number of the first record of the segment of this name; None when the file is no segment."""
    digits = name.removesuffix(SUFFIX)
    if digits == name or len(digits) != SEQUENCE_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits)


def encode_header(header: SegmentHeader) -> bytes:
    """The bytes that open a segment."""
    parts = [_FIXED.pack(FORMAT_VERSION, header.first_sequence, header.created_ns)]
    for text in (header.lane, header.schema_fingerprint, header.build):
        data = text.encode()
        parts.append(_TEXT_LENGTH.pack(len(data)) + data)
    body = b"".join(parts)
    if FRAME_BYTES + len(body) > MAX_HEADER_BYTES:
        raise ValueError(f"lane, schema and build of a segment have {len(body)} bytes together, {MAX_HEADER_BYTES} fit")
    return _FRAME.pack(MAGIC, len(body), crc32(body)) + body


def decode_header(segment: str, data: bytes) -> tuple[SegmentHeader, int]:
    """The header at the beginning of a segment and its length; `data` holds at least all of it or all of the file."""
    if len(data) < FRAME_BYTES:
        raise JournalDamaged(segment, 0, f"a header of {FRAME_BYTES} bytes or more", f"{len(data)} bytes")
    magic, length, checksum = _FRAME.unpack_from(data)
    if magic != MAGIC:
        raise JournalDamaged(segment, 0, f"the mark {MAGIC!r}", repr(magic))
    end = FRAME_BYTES + length
    if end > len(data) or end > MAX_HEADER_BYTES or length < _FIXED.size:
        raise JournalDamaged(segment, 0, "the length of a whole header", f"{length}")
    body = data[FRAME_BYTES:end]
    if crc32(body) != checksum:
        raise JournalDamaged(segment, 0, f"header checksum {checksum:08x}", f"{crc32(body):08x}")
    version, first_sequence, created_ns = _FIXED.unpack_from(body)
    if version != FORMAT_VERSION:
        raise JournalForeign(
            f"{segment} has journal format {version}, this build reads {FORMAT_VERSION}: read it with the build "
            f"that wrote it"
        )
    texts: list[str] = []
    position = _FIXED.size
    for _ in range(3):
        (size,) = _TEXT_LENGTH.unpack_from(body, position)
        position += _TEXT_LENGTH.size
        texts.append(body[position : position + size].decode())
        position += size
    lane, schema_fingerprint, build = texts
    return SegmentHeader(lane, schema_fingerprint, build, first_sequence, created_ns), end
