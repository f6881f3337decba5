"""What can generate: a file for each engine that `engine` and `vote_engine` may name. Importing them loads no model code."""
