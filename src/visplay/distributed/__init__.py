"""The processes of a run: rank 0 runs the loop, and all ranks share its work."""
