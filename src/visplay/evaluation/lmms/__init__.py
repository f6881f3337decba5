"""The bridge to lmms-eval: its benchmarks, asked through our engine and scored by its rules."""
