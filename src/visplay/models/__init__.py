"""Vision-language models: loading, encoding, forward passes, a policy a role."""
