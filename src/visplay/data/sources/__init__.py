"""Image sources: a file for each. The lab adds those whose truth it knows."""
