"""The lab's labelled suites."""
