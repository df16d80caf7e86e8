"""What users read first and write themselves."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
