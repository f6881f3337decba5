"""Engines, which sample completions from a policy."""
