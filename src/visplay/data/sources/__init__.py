"""Image sources, one file each. `visplay.lab.sources` has those with known scenes."""
