"""The parts of the offline encoder: two towers from installed wheels and the fitted linear head on top of them."""
