"""A language model of vpcodec's tokens from scratch: train, measure, sample, continue recordings, complete photos.

    vpcodec encode -r recordings --output-dir tokens -m speech-low --codebook 1024
    vpcodec export -r tokens -o ids.npz                      # and the same for held-out recordings
    python examples/language_model.py ids.npz held-out.npz -o run --minutes 20
    vpcodec import run/*.npy -m speech-low --codebook 1024
    vpcodec decode run/*.tok

A causal transformer of 3.3 million weights, for speech and, in raster order, for images. The output folder gets
log.csv, model.pt, and arrays of ids: samples.npy, originals.npy (held-out), continued.npy (begun as the originals).
B sequences of a batch, T positions, K ids, W channels
"""

import argparse
import csv
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
PROMPT = {"speech": 128, "image": SIDE * SIDE // 2}  # of a held-out recording or photo: 3 s, the upper half
BATCH = {"speech": 4, "image": 2}
PEAK, WARM, DECAY = 2e-3, 30, 0.05  # AdamW: learning rate, steps until it is reached, weight decay
TEMPERATURE, LIKELIEST = 0.9, 100  # of sampling: only the likeliest ids are drawn


class Block(nn.Module):
    """Causal attention and a feed-forward layer; with a cache, positions come in one after the other."""

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
        if cache is not None:
            cache[:] = stored = (
                [torch.cat(pair, dim=2) for pair in zip(cache, stored, strict=True)] if cache else stored
            )
        seen = functional.scaled_dot_product_attention(query, *stored, is_causal=length > 1)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.feed(self.second_norm(x))


class LanguageModel(nn.Module):
    """Logits of the next id. Id K stands before a recording's or photo's first one.

    Args:
        vocabulary: K.
        length: Most positions.
        above: Positions of a row of an image, whose model is told the id above the next; 0 for speech.
    """

    def __init__(self, vocabulary: int, length: int, above: int) -> None:
        super().__init__()
        self.vocabulary, self.length, self.above = vocabulary, length, above
        self.ids, self.ids_above = (nn.Embedding(vocabulary + 1, WIDTH) for _ in range(2))
        self.positions = nn.Embedding(length, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary + 1, bias=False)
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, ids: Tensor, caches: list[list[Tensor]] | None = None) -> Tensor:
        """[B, T] from id K on -> [B, T, K + 1]; with caches, only of the positions that are not in them."""
        length = ids.shape[1]
        x = self.ids(ids) + self.positions.weight[:length]
        if self.above:
            above = functional.pad(ids, (self.above - 1, 0), value=self.vocabulary)[:, :length]
            x = x + self.ids_above(above)
        if caches is not None and caches[0]:
            x = x[:, caches[0][0].shape[2] :]
        for number, block in enumerate(self.blocks):
            x = block(x, None if caches is None else caches[number])
        return self.head(self.norm(x))

    @torch.no_grad()
    def sample(self, prompt: Tensor, length: int) -> Tensor:
        """Go on after ids [B, T], which may be none, up to [B, length]."""
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
            shapes, ends = archive["shape"], archive["length"].cumsum()
            whole = [ids.reshape(shape) for ids, shape in zip(np.split(archive["ids"], ends[:-1]), shapes, strict=True)]
        self.kind, self.vocabulary = self.info["kind"], self.info["vocabulary"]
        if self.kind == "speech":
            self.pieces = [torch.from_numpy(row.astype(np.int64)) for ids in whole for row in ids]
            begin = torch.tensor([self.vocabulary])
            self.stream = torch.cat([part for piece in self.pieces for part in (begin, piece)])
        else:
            self.pieces = [torch.from_numpy(ids.astype(np.int64)) for ids in whole if min(ids.shape) >= SIDE]
        self.length = LENGTH[self.kind]

    def batch(self) -> Tensor:
        """[B, length + 1] at random: windows of recordings one after the other, or crops of images after an id K."""
        if self.kind == "speech":
            starts = torch.randint(len(self.stream) - self.length, (BATCH["speech"],)).tolist()
            return torch.stack([self.stream[start : start + self.length + 1] for start in starts])
        chosen = [self.pieces[number] for number in torch.randint(len(self.pieces), (BATCH["image"],)).tolist()]
        crops = []
        for ids in chosen:
            top, left = (int(torch.randint(size - SIDE + 1, ())) for size in ids.shape)
            crops.append(ids[top : top + SIDE, left : left + SIDE].reshape(-1))
        return functional.pad(torch.stack(crops), (1, 0), value=self.vocabulary)

    def windows(self) -> list[Tensor]:
        """Everything once, in pieces [T] or [SIDE, SIDE]; what of an image fills no crop is left out."""
        if self.kind == "speech":
            return [window for piece in self.pieces for window in piece.split(self.length)]
        tiles = [ids.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE).reshape(-1, SIDE, SIDE) for ids in self.pieces]
        return list(torch.cat(tiles))


@torch.no_grad()
def bits_of(model: LanguageModel, windows: list[Tensor]) -> float:
    """Bits a token that the model leaves; each window is measured by itself."""
    bits, count = 0.0, 0
    for window in windows:
        ids = functional.pad(window.reshape(-1), (1, 0), value=model.vocabulary)[None]
        bits += float(functional.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:], reduction="sum")) / math.log(2)
        count += window.numel()
    return bits / count


def baselines(data: Data, windows: list[Tensor], train: Data) -> dict[str, float]:
    """Bits a token by frequency in the training data, and by the entropy coder of token files with its prior."""
    found = find_model(data.info["model"])
    rate = found.checked_codebook(data.info["codebook"])
    seen = torch.cat([piece.reshape(-1) for piece in train.pieces])
    chances = (torch.bincount(seen, minlength=data.vocabulary) + 0.5).double()
    flat = torch.cat([window.reshape(-1) for window in windows])
    prior, levels = found.prior(rate), found.radices(rate)
    coded = [encode_tokens(np.atleast_2d(window.numpy()), levels, data.kind, prior)[1] for window in windows]
    return {
        "uniform": math.log2(data.vocabulary),
        "frequency": float(-(chances / chances.sum()).log2()[flat].mean()),
        "prior": 8 * sum(map(len, coded)) / len(flat),
    }


def train(model: LanguageModel, data: Data, held_out: list[Tensor], out: Path, seconds: float) -> None:
    """Train for so many seconds of processor time, with a line in log.csv for every twentieth part of it."""
    optimizer = torch.optim.AdamW(model.parameters(), PEAK, betas=(0.9, 0.95), weight_decay=DECAY)
    step, told, losses, spent = 0, 0, [], 0.0
    with open(out / "log.csv", "w", newline="") as file:
        log = csv.writer(file)
        log.writerow(("minutes", "steps", "tokens", "train bits", "held-out bits"))
        while spent < seconds:
            began = time.process_time()
            optimizer.param_groups[0]["lr"] = PEAK * min(1, (step + 1) / WARM) * (1 - spent / seconds)
            batch = data.batch()
            loss = functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step, losses = step + 1, [*losses, float(loss) / math.log(2)]
            spent += time.process_time() - began
            if spent * 20 >= seconds * (told + 1):
                told, row = (
                    told + 1,
                    (step, step * batch[:, 1:].numel(), np.mean(losses), bits_of(model, held_out[::4])),
                )
                log.writerow((f"{spent / 60:.2f}", *row[:2], *(f"{bits:.3f}" for bits in row[2:])))
                file.flush()
                losses = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ids", help="export to learn from, .npz")
    parser.add_argument("held_out", help="export to measure with, .npz")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=20, help="of processor time to train")
    parser.add_argument("--count", type=int, default=4, help="of samples and of continuations")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(1)
    data, held_out = Data(chosen.ids), Data(chosen.held_out)
    windows = held_out.windows()
    chosen.output.mkdir(parents=True, exist_ok=True)
    model = LanguageModel(data.vocabulary, data.length, SIDE if data.kind == "image" else 0)
    train(model, data, windows, chosen.output, 60 * chosen.minutes)
    torch.save(model.state_dict(), chosen.output / "model.pt")
    bits = {**baselines(held_out, windows, data), "language model": bits_of(model, windows)}
    print(json.dumps({name: round(value, 3) for name, value in bits.items()}))
    long = [window.reshape(-1) for window in windows if window.numel() == data.length]
    originals = torch.stack(long[:: max(1, len(long) // chosen.count)][: chosen.count])
    started = originals[:, : PROMPT[data.kind]]
    arrays = {
        "samples": model.sample(started[:, :0], data.length),
        "originals": originals,
        "continued": model.sample(started, data.length),
    }
    for name, ids in arrays.items():
        shape = (len(ids), SIDE, SIDE) if data.kind == "image" else ids.shape
        np.save(chosen.output / f"{name}.npy", ids.reshape(shape).numpy())


if __name__ == "__main__":
    main()
