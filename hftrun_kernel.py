"""Chooses between compiled and interpreted modules, and refuses a compiled module whose source has changed since."""

from __future__ import annotations
