"""Task sources that know the truth, for controls; no preset names one."""
