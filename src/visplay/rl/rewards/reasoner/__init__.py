"""Rewards of the Reasoner, a file each."""
