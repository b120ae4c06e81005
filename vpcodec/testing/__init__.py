"""Checks of the contracts, for quantizers and networks of your own as for those of the package."""
