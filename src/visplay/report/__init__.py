"""A run seen from outside, while it goes or after: nothing here writes into a run, locks it or holds it up."""
