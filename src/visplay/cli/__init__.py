"""The commands, one file each: its flags, its thin code. What a command needs is imported when it runs."""
