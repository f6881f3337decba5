"""The one error of this package."""


class EvaluationError(ValueError):
    """Nothing can be measured; the message is one line that says why and what to do."""
