"""Few-shot classifiers of shots: labels, fitting, versions, scores, and which shots to label next."""
