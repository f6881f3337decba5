"""Labelers, one file each. A labeler turns the Reasoner's answers into a silver answer."""
