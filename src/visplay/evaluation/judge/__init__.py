"""A language model as the judge of free answers: what it is told, what it said, and how far to believe it."""
