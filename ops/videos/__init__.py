"""Source footage: find it, open it, read it frame by frame, and keep the register of videos."""
