"""One file per command, with its flags and a few lines of code. A command imports what it needs when it runs."""
