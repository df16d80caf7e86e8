"""Configuration: TOML read into attrs classes, every error told with its key path."""
