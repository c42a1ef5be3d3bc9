"""People in the picture: faces of each shot, the people that they belong to, and the names that users give them."""
