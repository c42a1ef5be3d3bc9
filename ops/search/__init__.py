"""From a question to ranked shots: words, examples, shows, relevance."""
