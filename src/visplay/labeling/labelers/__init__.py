"""Labelers: a file for each way from the Reasoner's answers to a silver answer."""
