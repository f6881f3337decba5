"""Vision-language models: loading, encoding, forward passes, and one policy per role."""
