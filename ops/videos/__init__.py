"""Source footage: finding it, opening it, reading it frame by frame, and the register of what is there."""
