"""Writing in the picture: signs, titles, captions, read from a few frames of each shot."""
