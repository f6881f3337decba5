"""Named suites of labelled questions, a file each. The lab adds its own."""
