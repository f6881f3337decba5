"""Policy optimisation of both roles: advantages, losses, rewards, and the trainer. Importing it imports no torch."""
