"""Signal to token file and back (`pipeline.Codec`), window by window, on one of the engines."""
