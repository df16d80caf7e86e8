"""The schema that the message catalogue is generated from, as plain data. Imports nothing of `market.messages`."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
