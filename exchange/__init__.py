"""The embedded exchange: accounts, fees, limits and sessions around the matching engine, and its ways in."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
