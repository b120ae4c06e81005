"""Batches of tokens for a training of your own: recordings are encoded by the workers of a DataLoader.

python examples/data_loader.py recordings/*.flac
"""

import sys

import soundfile
from torch import Tensor, from_numpy, tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

import vpcodec


class Recordings(Dataset[Tensor]):
    """The ids [T] of recordings. The codec is pickled for each worker, which loads the graphs for itself."""

    def __init__(self, paths: list[str]) -> None:
        self.paths, self.codec = paths, vpcodec.load("speech-low", threads=1)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Tensor:
        samples, rate = soundfile.read(self.paths[number], dtype="float32", always_2d=True)
        return self.codec.encode_tokens(from_numpy(samples[:, 0]), sample_rate=rate, codebook=1024).ids[0]


def collate(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """ids [B, T], -1 behind their ends, and how many of each are not."""
    return pad_sequence(rows, batch_first=True, padding_value=-1), tensor(list(map(len, rows)))


if __name__ == "__main__":
    recordings = Recordings(sys.argv[1:])
    options = {"batch_size": 8, "num_workers": 2, "multiprocessing_context": "spawn", "collate_fn": collate}
    for ids, counts in DataLoader(recordings, **options):
        print(list(ids.shape), counts.tolist())
