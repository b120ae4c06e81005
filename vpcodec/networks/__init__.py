"""The networks of the codec: signal to features to latents, and latents to signal.

One trunk of blocks (`blocks.Trunk`) serves all signals; what differs is how a signal becomes features at
token rate and how features become a signal again (`sound`, `image`).
"""

from vpcodec.config import Network
from vpcodec.networks.blocks import SignalNetwork
from vpcodec.networks.image import ImageNetwork
from vpcodec.networks.sound import SoundNetwork

NETWORKS: dict[str, type[SignalNetwork]] = {"speech": SoundNetwork, "audio": SoundNetwork, "image": ImageNetwork}


def build_network(kind: str, options: Network, latent_inputs: int, latent_channels: int) -> SignalNetwork:
    """The network for a kind of signal.

    Args:
        kind: "speech", "audio" or "image".
        options: Sizes of the network.
        latent_inputs: Channels that the quantizer takes from the encoder.
        latent_channels: Channels that the quantizer hands to the decoder.
    """
    return NETWORKS[kind](options, latent_inputs, latent_channels)


__all__ = ["NETWORKS", "ImageNetwork", "SignalNetwork", "SoundNetwork", "build_network"]
