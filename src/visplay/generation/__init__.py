"""Engines: whatever samples completions from a policy."""
