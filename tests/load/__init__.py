"""``make load``: many clients at once on the service, beside slow ones, while its indexes switch."""
