"""Rewards of the Reasoner: agreement with the silver answer, and controls."""
