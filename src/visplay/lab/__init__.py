"""The lab: an embedded world whose truth is known, small enough for a laptop."""
