"""Recipes by seeds, a process each, and the table that compares them: `visplay lab ablate`."""
