"""Pure metrics: retrieval ranks and shot cuts, as functions of numbers; opens no file and loads no model."""
