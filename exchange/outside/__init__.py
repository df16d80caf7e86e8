"""The embedded exchange behind the wire protocols of outside venues, so that their clients can trade here."""
