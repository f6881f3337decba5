"""Programs: families of questions about records, each with the rule that computes its answer."""
