"""Where every image and every other file of a user's data is opened: regular files alone, and within bounds."""
