"""The upgrade from one live encoder to the next: computed next to it, compared, and switched in one step."""
