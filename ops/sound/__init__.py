"""Sound of each shot: loudness, silence, and stretches with speech."""
