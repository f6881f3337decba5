"""Rewards: pure functions on plain values, without a model, and the components that settings name."""
