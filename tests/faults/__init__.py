"""``make faults``: commands killed at random moments, and disks that fill up; what is left must be complete."""
