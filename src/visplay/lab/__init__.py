"""The lab: generated drawings with known answers, and a small model; both run on a laptop."""
