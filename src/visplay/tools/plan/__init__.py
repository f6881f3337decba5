"""The needs of a run, computed from the model's configuration before weights are downloaded or loaded."""
