"""Task sources, one file each: questions about unlabeled images that do not come from the Questioner."""
