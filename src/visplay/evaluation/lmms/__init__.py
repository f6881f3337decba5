"""The bridge to lmms-eval: its benchmarks asked through our engine, our suites as its tasks."""
