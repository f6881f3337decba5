"""Group relative policy optimisation (GRPO, arXiv 2402.03300): advantages, loss, one step."""
