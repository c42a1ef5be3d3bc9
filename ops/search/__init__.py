"""From a query to ranked shots: words, example images, shows, relevance."""
