"""A grammar for simple English questions: the meaning of a question, and the statement and claims of its answer."""
