"""What a run will need, told from the model's configuration before anything of it is downloaded or started."""
