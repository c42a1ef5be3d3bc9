"""From one live encoder to the next: computed beside it, compared, and switched to at once."""
