"""Hypothesis strategies for every kind of value the tests draw, in one place, by banner."""

from __future__ import annotations
