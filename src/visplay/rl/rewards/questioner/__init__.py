"""Rewards of the Questioner."""
