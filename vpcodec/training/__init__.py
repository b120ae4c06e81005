"""Training: one recipe in, one model folder out (`loop.train`)."""
