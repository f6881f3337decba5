"""Rewards of the Reasoner."""
