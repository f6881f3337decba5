"""Labelled suites, how they are asked, marked and compared; nothing here is ever trained on."""
