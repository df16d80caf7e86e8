"""What people look at and touch: the command and its output."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
