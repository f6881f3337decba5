"""The processes of a run: one controller that runs the loop, and workers that share its work."""
