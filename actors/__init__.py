"""The trading actors that stand between a feed and a gateway."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
