"""The terminal dashboard: a process of its own that draws what the trading process tells it over a Unix socket."""
