"""The only room that imports Ray: started here or reached at an address, batches over actors, workers of one fit."""
