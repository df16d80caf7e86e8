"""Every figure that this project claims, measured."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
