"""Public test sets of shot boundaries: their annotation files, their protocol, and published figures.

``protocol`` compares transitions by the rule of the papers; ``transition_files``, ``pickled_scenes`` read the
annotations; ``layouts`` finds them and their videos in a folder; ``published`` holds figures with their source; ``run``
measures.
"""
