"""Gates, one file each. A gate rejects labelled questions from the silver set for one reason."""
