"""The matching of one instrument's orders; the rules are in `docs/matching.md`."""
