"""The two roles: their prompts, the parsing of their completions, and their rewards."""
