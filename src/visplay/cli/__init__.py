"""A verb of the program each: its flags and its thin code; what it needs is imported when it runs."""
