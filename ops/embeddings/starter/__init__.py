"""The offline encoder's parts: two towers from installed wheels and the linear head fitted on top of them."""
