"""The bridge to lmms-eval: our engine answers its benchmarks, and its rules score the answers."""
