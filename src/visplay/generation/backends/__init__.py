"""The engines of the settings `engine` and `vote_engine`, one file each. Importing them loads no model code."""
