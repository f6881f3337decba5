"""Gates between a labelled question and the silver set: a file for each reason to reject a question."""
