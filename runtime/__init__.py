"""The actor kernel: actors, lanes, channels, supervision, time, journal, configuration, measuring."""

import hftrun_kernel  # noqa: F401  decides compiled or interpreted before the first module loads
