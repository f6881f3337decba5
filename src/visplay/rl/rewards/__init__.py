"""Rewards: pure functions that need no model, and the components of the settings that use them."""
