"""The embedded exchange: accounts, fees, limits and sessions around the matching engine, and its ways in."""
