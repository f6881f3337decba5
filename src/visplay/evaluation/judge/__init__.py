"""A language model as the judge of free answers: its prompt, its replies, and its agreement with the rules."""
