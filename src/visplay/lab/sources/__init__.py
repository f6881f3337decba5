"""Image sources with known scenes, for the observer's metrics; training never sees the scenes."""
