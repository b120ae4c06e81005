"""vpcodec: speech and images to small token files, and back."""
