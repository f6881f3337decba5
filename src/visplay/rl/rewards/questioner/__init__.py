"""Rewards of the Questioner, a file each."""
