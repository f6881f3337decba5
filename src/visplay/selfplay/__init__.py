"""The loop of self-play: phases, schedule, acceptance, progress."""
