"""Rewards of the Questioner: of the votes' confidence, and controls."""
