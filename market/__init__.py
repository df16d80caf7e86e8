"""The vocabulary of trading: numbers, instruments, messages, books, order life cycle, positions. No I/O, no clock."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
