"""The two roles: what each is told, how its text is read, how it is rewarded."""
