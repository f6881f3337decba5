"""Records: what the Reasoner says it sees, as values that programs compute with."""
