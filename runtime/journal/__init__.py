"""The journal: append-only, checksummed segments of a lane's inputs, and snapshots of its actors."""
