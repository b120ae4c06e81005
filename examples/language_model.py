"""A language model of vpcodec's tokens, from scratch: train, measure, sample, continue recordings, complete photos.

    python examples/language_model.py ids.npz held-out.npz -o run --minutes 20

A causal transformer of 3.8 million weights, for speech and, in raster order, images (docs/language-models.md). Results:
log.csv, model.pt and arrays of ids for `vpcodec import`: samples.npy, some held-out originals.npy, and continued.npy,
which begin like those.   B sequences, T positions, K ids, W channels
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vpcodec.container.coding import encode_tokens
from vpcodec.registry import find_model

WIDTH, BLOCKS, HEADS = 192, 7, 6
SIDE = 32  # positions along each edge of an image's crop
LENGTH = {"speech": 384, "image": SIDE * SIDE}  # positions that the model sees
PROMPT = {"speech": 128, "image": SIDE * SIDE // 2}  # kept of what is continued: 3 s of speech-low, the upper half
BATCH = {"speech": 4, "image": 2}
PEAK, WARM, DECAY = 2e-3, 30, 0.05  # AdamW: learning rate, steps until it is reached, weight decay
TEMPERATURE, LIKELIEST, COUNT = 0.9, 100, 4  # of so many samples, each drawn from the likeliest ids only


class Block(nn.Module):
    """Causal attention and a feed-forward layer. A cache holds keys and values of earlier positions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.second_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor, cache: list[Tensor] | None = None) -> Tensor:
        """[B, T, W] -> [B, T, W]"""
        batch, length, _ = x.shape
        split = self.attention(self.norm(x)).view(batch, length, 3, HEADS, -1)
        query, *stored = split.permute(2, 0, 3, 1, 4)
        if cache:
            stored = [torch.cat(pair, dim=2) for pair in zip(cache, stored, strict=True)]
        if cache is not None:
            cache[:] = stored
        seen = functional.scaled_dot_product_attention(query, *stored, is_causal=length > 1)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.feed(self.second_norm(x))


class LanguageModel(nn.Module):
    """Logits of the next of K ids, for `length` positions. Id K stands before the first id of a recording or photo.

    `above`: positions of a row of an image, so that the model is told the id above the next one; 0 for speech.
    """

    def __init__(self, vocabulary: int, length: int, above: int) -> None:
        super().__init__()
        self.vocabulary, self.above = vocabulary, above
        self.ids, self.ids_above = (nn.Embedding(vocabulary + 1, WIDTH) for _ in range(2))
        self.positions = nn.Embedding(length, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary + 1, bias=False)
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, ids: Tensor, caches: list[list[Tensor]] | None = None) -> Tensor:
        """[B, T] from id K on -> [B, T, K + 1]; with caches, only for positions that are not in them yet."""
        length = ids.shape[1]
        x = self.ids(ids) + self.positions.weight[:length]
        if self.above:
            x = x + self.ids_above(functional.pad(ids, (self.above - 1, 0), value=self.vocabulary)[:, :length])
        if caches and caches[0]:
            x = x[:, caches[0][0].shape[2] :]
        for number, block in enumerate(self.blocks):
            x = block(x, caches[number] if caches else None)
        return self.head(self.norm(x))

    @torch.no_grad()
    def sample(self, prompt: Tensor, length: int) -> Tensor:
        """Continue ids [B, T], which may be none, to [B, length]."""
        caches: list[list[Tensor]] = [[] for _ in range(BLOCKS)]
        ids = functional.pad(prompt, (1, 0), value=self.vocabulary)
        while ids.shape[1] <= length:
            logits = self(ids, caches)[:, -1, : self.vocabulary] / TEMPERATURE
            least = logits.topk(min(LIKELIEST, self.vocabulary)).values[:, -1:]
            chances = logits.masked_fill(logits < least, -math.inf).softmax(-1)
            ids = torch.cat([ids, torch.multinomial(chances, 1)], dim=1)
        return ids[:, 1:]


class Data:
    """The tokens of an export: recordings [T], images [H, W]."""

    def __init__(self, path: str) -> None:
        with np.load(path) as archive:
            self.info = json.loads(bytes(archive["info"]).decode().split("\n")[0])
            rows = np.split(archive["ids"].astype(np.int64), archive["length"].cumsum()[:-1])
            whole = [torch.from_numpy(ids.reshape(size)) for ids, size in zip(rows, archive["shape"], strict=True)]
        self.kind, self.vocabulary, self.length = (kind := self.info["kind"]), self.info["vocabulary"], LENGTH[kind]
        large = [ids for ids in whole if min(ids.shape) >= SIDE]
        self.pieces = large if self.kind == "image" else [channel for ids in whole for channel in ids]
        self.stream = torch.cat([functional.pad(ids.flatten(), (1, 0), value=self.vocabulary) for ids in self.pieces])

    def batch(self) -> Tensor:
        """[B, length + 1]: windows of all recordings one after the other, or crops of images after an id K."""
        if self.kind == "speech":
            starts = torch.randint(len(self.stream) - self.length, (BATCH["speech"],)).tolist()
            return torch.stack([self.stream[start : start + self.length + 1] for start in starts])
        crops = []
        for number in torch.randint(len(self.pieces), (BATCH["image"],)).tolist():
            top, left = (int(torch.randint(size - SIDE + 1, ())) for size in self.pieces[number].shape)
            crops.append(self.pieces[number][top : top + SIDE, left : left + SIDE].reshape(-1))
        return functional.pad(torch.stack(crops), (1, 0), value=self.vocabulary)

    def windows(self) -> list[Tensor]:
        """Everything once, as [T] or [SIDE, SIDE]; the rest of an image beside whole crops is left out."""
        if self.kind == "speech":
            return [window for piece in self.pieces for window in piece.split(self.length)]
        tiles = [ids.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE).reshape(-1, SIDE, SIDE) for ids in self.pieces]
        return list(torch.cat(tiles))


@torch.no_grad()
def bits_of(model: LanguageModel, windows: list[Tensor]) -> float:
    """Bits a token that the model leaves; each window is measured by itself."""
    bits = 0.0
    for window in windows:
        ids = functional.pad(window.reshape(1, -1), (1, 0), value=model.vocabulary)
        bits += functional.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:], reduction="sum").item() / math.log(2)
    return bits / sum(window.numel() for window in windows)


def baselines(held_out: Data, train: Data) -> dict[str, float]:
    """Bits a token of held-out windows by their frequency in training, and by the prior that token files use."""
    found, windows = find_model(held_out.info["model"]), held_out.windows()
    rate = found.checked_codebook(held_out.info["codebook"])
    counts = torch.bincount(torch.cat([piece.reshape(-1) for piece in train.pieces]), minlength=train.vocabulary) + 0.5
    flat = torch.cat([window.reshape(-1) for window in windows])
    options = (found.radices(rate), held_out.kind, found.prior(rate))
    size = sum(len(encode_tokens(np.atleast_2d(window.numpy()), *options)[1]) for window in windows)
    return {"frequency": -(counts / counts.sum()).log2()[flat].mean().item(), "prior": 8 * size / len(flat)}


def train(model: LanguageModel, data: Data, held_out: list[Tensor], log: Path, seconds: float) -> None:
    """Train for so many seconds of processor time. The log gets twenty lines."""
    optimizer = torch.optim.AdamW(model.parameters(), PEAK, betas=(0.9, 0.95), weight_decay=DECAY)
    step, spent, losses = 0, 0.0, []
    with log.open("w") as file:
        print("minutes,steps,tokens,training bits,held-out bits", file=file)
        while spent < seconds:
            began = time.process_time()
            optimizer.param_groups[0]["lr"] = PEAK * min(1, (step + 1) / WARM) * (1 - spent / seconds)
            batch = data.batch()
            loss = functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item() / math.log(2))
            before, step, spent = int(20 * spent / seconds), step + 1, spent + time.process_time() - began
            if int(20 * spent / seconds) > before:
                bits = f"{np.mean(losses):.3f},{bits_of(model, held_out[::4]):.3f}"
                print(f"{spent / 60:.2f},{step},{step * batch[:, 1:].numel()},{bits}", file=file, flush=True)
                losses = []


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a language model of vpcodec's tokens.")
    parser.add_argument("ids", help=".npz export to learn from")
    parser.add_argument("held_out", help=".npz export to measure with")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=20, help="of processor time to train")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data, held_out = Data(chosen.ids), Data(chosen.held_out)
    windows = held_out.windows()
    chosen.output.mkdir(parents=True, exist_ok=True)
    model = LanguageModel(data.vocabulary, data.length, above=SIDE if data.kind == "image" else 0)
    train(model, data, windows, chosen.output / "log.csv", 60 * chosen.minutes)
    torch.save(model.state_dict(), chosen.output / "model.pt")
    bits = {**baselines(held_out, data), "language model": bits_of(model, windows)}
    print(", ".join(f"{name} {value:.3f} bits a token" for name, value in bits.items()))
    long = [window.reshape(-1) for window in windows if window.numel() == data.length]
    originals = torch.stack(long[:: max(1, len(long) // COUNT)][:COUNT])
    shape = (-1, SIDE, SIDE) if data.kind == "image" else (-1, data.length)
    for name, start in {"samples": originals[:, :0], "continued": originals[:, : PROMPT[data.kind]]}.items():
        np.save(chosen.output / f"{name}.npy", model.sample(start, data.length).reshape(shape).numpy())
    np.save(chosen.output / "originals.npy", originals.reshape(shape).numpy())


if __name__ == "__main__":
    main()
