"""A file for each engine that the settings `engine` and `vote_engine` may name. Importing them loads no model code."""
