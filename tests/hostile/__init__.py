"""``make hostile``: mutated films and subtitles, ingested as people do; each is read or set aside with a reason."""
