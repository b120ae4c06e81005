"""The networks of the codec: signal to features to latents, and latents to signal.

One trunk of blocks (`blocks.Trunk`) serves all signals; what differs is how a signal becomes features at
token rate and how features become a signal again (`sound`, `image`).
"""

from typing import TYPE_CHECKING

from vpcodec.config import Network
from vpcodec.errors import ConfigError
from vpcodec.plugins import load_class

if TYPE_CHECKING:
    from vpcodec.networks.blocks import SignalNetwork

# The network of each kind of signal. Installed packages add others, by names of their own, as entry points of GROUP.
NETWORKS: dict[str, str] = {
    "speech": "vpcodec.networks.sound:SoundNetwork",
    "audio": "vpcodec.networks.sound:SoundNetwork",
    "image": "vpcodec.networks.image:ImageNetwork",
}
GROUP = "vpcodec.networks"


def build_network(kind: str, options: Network, latent_inputs: int, latent_channels: int) -> "SignalNetwork":
    """The network for a kind of signal, or the one that `options.architecture` names (`plugins.load_class`).

    The quantizer takes `latent_inputs` channels from its encoder and hands `latent_channels` to its decoder.

    Raises:
        ConfigError: There is no such network, or it is for another kind of signal.
    """
    from vpcodec.networks.blocks import SignalNetwork

    name = options.architecture or kind
    made = load_class(name, "network", NETWORKS, GROUP)
    if not (isinstance(made, type) and issubclass(made, SignalNetwork)):
        raise ConfigError(f"network {name} is no subclass of vpcodec.networks.blocks.SignalNetwork")
    if made.axes != (2 if kind == "image" else 1):
        raise ConfigError(f"network {name} has {made.axes} axes of positions, which is not for kind {kind!r}")
    network: SignalNetwork = made(options, latent_inputs, latent_channels)
    return network
