"""Tests of the strategies that are shipped, and of writing one."""
