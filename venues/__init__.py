"""The outside venues: their wire dialects, continuity rules and symbol mapping."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
