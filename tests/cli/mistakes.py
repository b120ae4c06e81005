"""Common mistakes: the command line, the line that is printed, the exit code.

`...` stands for anything. `docs/mistakes.md` is generated from this table, and a test runs every line.
"""

import os
import zlib
from pathlib import Path

FOLDER_NOTE = """\
The folder holds `speech.wav`, `photo.png` and their token files `sound.tok` and `picture.tok`; `folder` with media
files, `empty-folder`; `notes.txt`, `empty.wav`, `paper.pdf`; `cut.wav` and `cut.tok`, which are truncated; `broken.tok`
with a wrong byte, `future.tok` of a later format, `foreign.tok` of a model that is not installed; `taken.tok`;
`ids.npy` with ids of two recordings.
"""

IDS = (  # of numpy: an array [2, 3] of zeros
    b"\x93NUMPY\1\0\x76\0{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }".ljust(127) + b"\n" + bytes(48)
)

# Command line after `vpcodec`, what is printed after `vpcodec: `, exit code.
MISTAKES: tuple[tuple[str, str, int], ...] = (
    ("", "missing command; `vpcodec -h` shows how", 2),
    ("encod speech.wav", "no such command 'encod'. ...; `vpcodec -h` shows how", 2),
    ("encode", "missing argument 'IN...'; `vpcodec encode -h` shows how", 2),
    ("encode --modle x speech.wav", "no such option: --modle ...; `vpcodec encode -h` shows how", 2),
    ("encode speech.wav --codebook", "option '--codebook' requires an argument; `vpcodec encode -h` shows how", 2),
    ("encode speech.wav --codebook many", "invalid value for '--codebook': ...; `vpcodec encode -h` shows how", 2),
    ("encode speech.wav photo.jpg --device tpu", "unknown device 'tpu'; use auto, cpu, cuda or cuda:N", 2),
    (
        "encode speech.wav photo.jpg --codebook 999",
        "model speech-vp has no codebook 999 (its codebooks: ...); model image-vp has no codebook 999 (...)",
        2,
    ),
    ("encode speech.wav --j 4", "no such option: --j (Possible options: --jobs, --json, -j); ...", 2),
    ("encode speech.wav -o ''", "invalid value for '-o' / '--output': it is empty; ...", 2),
    (
        "encode speech.wav --latency inf",
        "invalid value for '--latency': 'inf' is not a number that can be used; ...",
        2,
    ),
    ("train --data folder -o new --minutes nan", "invalid value for '--minutes': 'nan' is not a number ...; ...", 2),
    ("encode speech.wav --bitrate fast", "invalid value for '--bitrate': 'fast' is not a bit rate; ...", 2),
    ("encode speech.wav --target-size 20l", "invalid value for '--target-size': '20l' is not a size; ...", 2),
    ("encode speech.wav --bitrate 1k --codebook 256", "codebook and bitrate contradict each other; keep one", 2),
    ("encode speech.wav --bitrate 90", "model speech-vp makes ..., not 0.09 kbit/s; choose another model; ...", 2),
    ("encode photo.png --bpp 0", "bpp must be above 0, got 0.0", 2),
    ("encode photo.png --bitrate 1.5k", "bitrate is not for image-vp; use bpp, in bit/pixel", 2),
    ("encode photo.png -m image-vp --target-size 90", "photo.png: does not fit into 90 bytes; image-vp makes ...", 1),
    ("encode -r folder --target-size 9kB", "--target-size is for single files; name the files instead of -r", 2),
    (
        "encode speech.wav --model speech-fps-1024",
        "no model named 'speech-fps-1024'; installed: ...; or give the path of a model folder",
        1,
    ),
    (
        "encode photo.png --model speech-vp",
        "photo.png: is a photo, and speech-vp codes speech; choose another --model",
        1,
    ),
    ("encode nowhere.wav", "nowhere.wav: no such file or directory", 1),
    ("encode folder", "folder: is a directory; add -r for the files in it", 1),
    ("encode -r empty-folder", "nothing to encode in empty-folder; looked for .wav, ...", 2),
    ("encode notes.txt", "notes.txt: is neither a recording nor a photo; readable are ...", 1),
    ("encode empty.wav", "empty.wav: is empty", 1),
    ("encode cut.wav -o part.tok", "cut.wav: ends after ... of 8,000 samples; ...", 1),
    ("encode paper.pdf", "paper.pdf: is a PDF document, which cannot be read; render its pages to PNG first", 1),
    ("encode speech.wav -o back.flac", "-o back.flac: encode writes token files; name it .tok", 2),
    ("encode speech.wav -o nowhere/speech.tok", "nowhere/speech.tok: there is no folder nowhere; make it first", 1),
    ("encode speech.wav -o folder", "folder: is a directory; name a file, or use --output-dir", 1),
    ("encode speech.wav -o taken.tok", "taken.tok: exists already; use -f to replace it", 1),
    ("encode speech.wav photo.png -o both.tok", "-o and -c take one input; use --output-dir for several", 2),
    ("encode speech.wav -c -o speech.tok", "-o and -c contradict each other; keep one", 2),
    ("encode --raw speech.pcm", "--raw: the sample rate is unknown; add it, for example --sample-rate 16000", 2),
    (
        "encode --raw --sample-rate 0 speech.pcm",
        "speech.pcm: a sample rate of 0 Hz is not readable; it must be 1,000 to 1,000,000 Hz",
        1,
    ),
    (
        "encode --raw --sample-rate 16000 --sample-format S16 speech.pcm",
        "unknown sample format 'S16'; use PCM_U8, ...",
        2,
    ),
    (
        "encode --sample-rate 16000 speech.wav",
        "--sample-rate, --channels and --sample-format are for raw samples; add --raw",
        2,
    ),
    (
        "encode --channels 2 speech.wav",
        "--sample-rate, --channels and --sample-format are for raw samples; add --raw",
        2,
    ),
    ("encode --from 2 --to 1 speech.wav", "--from 2 --to 1: --to must come after --from", 2),
    ("encode --from 60 speech.wav", "speech.wav: ends before second 60", 1),
    (
        "encode --from noon speech.wav",
        "invalid value for '--from': 'noon' is not a time; write seconds or [h:]m:s; `vpcodec encode -h` shows how",
        2,
    ),
    ("encode --from 0:01 photo.png", "photo.png: --from and --to are for recordings, not photos", 1),
    ("encode -r folder --to 1", "--from and --to are for single recordings; name the files instead of -r", 2),
    ("encode -r folder --output-dir out --shard 5/4", "--shard 5/4: no such part; the first of 8 is 1/8", 2),
    ("encode -r folder --output-dir out --shard half", "--shard half: not a part; for example 1/8, or auto", 2),
    (
        "encode -r folder --output-dir out --shard auto",
        "--shard auto: not started by torchrun or Slurm; name the part, for example 1/8",
        2,
    ),
    ("encode --rm speech.wav -c", "--rm needs files on both sides; name the output with -o", 2),
    ("encode --rm --from 1 speech.wav", "--rm would lose what --from and --to leave out; keep the input", 2),
    (
        "encode --json speech.wav -c",
        "--json and the output cannot both go to standard output; name the output with -o",
        2,
    ),
    ("encode --engine gpu speech.wav", "unknown engine 'gpu'; use auto, torch, onnx, onnx-8-bits", 2),
    ("encode -j -1 speech.wav", "invalid value for '-j' / '--jobs': ...; `vpcodec encode -h` shows how", 2),
    (
        "encode sound.tok -o again.tok",
        "sound.tok: is a token file already, which cannot be read; use `vpcodec decode`",
        1,
    ),
    ("decode speech.wav", "speech.wav: is a recording, not a token file; use `vpcodec encode`", 1),
    ("decode sound.tok -o sound.mp3", "sound.mp3: .mp3 is not a format to write; choose one with --format", 2),
    (
        "decode sound.tok --format mp3",
        "--format mp3: not a format to write; use wav, flac, ogg, raw, png, webp, jpeg",
        2,
    ),
    ("decode sound.tok --format png", "sound.tok: a recording is not written as png; use wav, flac, ogg, raw", 2),
    ("decode picture.tok -o picture.wav", "picture.tok: a photo is not written as wav; use png, webp, jpeg", 2),
    ("decode picture.tok --from 1", "picture.tok: this token file holds a picture, not a recording", 1),
    ("decode sound.tok --from 60", "sound.tok: the recording ends before second 60", 1),
    ("decode cut.tok", "cut.tok: token file is truncated: ...needs ... bytes, ... found", 1),
    ("decode broken.tok", "broken.tok: frame 0 at byte ... is damaged or out of place: ...", 1),
    (
        "decode future.tok",
        "future.tok: format version 9 found, this program reads version 1; install a newer vpcodec",
        1,
    ),
    (
        "decode foreign.tok",
        "foreign.tok: needs the model speech-xy, which was not found; give its folder with -m, or set ...",
        1,
    ),
    ("decode notes.txt", "notes.txt: not a token file: it starts with 74 68 61, expected d6 56 50", 1),
    ("info nowhere.tok", "nowhere.tok: no such file or directory", 1),
    ("info folder", "folder: is a directory without a model", 1),
    ("test nowhere.tok", "nowhere.tok: no such file or directory", 1),
    ("export sound.tok", "export needs an output; name it with -o, for example tokens.npz", 2),
    ("export sound.tok -o tokens.csv", "cannot export to 'tokens.csv'; use --to npz, parquet, webdataset", 2),
    ("export -r empty-folder -o tokens.npz", "nothing to decode in empty-folder; looked for .tok", 2),
    ("export speech-vp --to onnx -o out", "--to onnx writes into the folders of models; remove -o, -m and -r", 2),
    ("export sound.tok -o t.npz --codebook 256", "--codebook is for --to codebook; a token file says its own", 2),
    (
        "export sound.tok --to npz -o - --shard-size 9",
        "--shard-size: standard output is one file; name the output with -o",
        2,
    ),
    ("export speech-vp image-vp --to codebook -o b.npy", "--to codebook takes one model; name its output with -o", 2),
    (
        "import notes.txt -m speech-vp",
        "notes.txt: holds no arrays of ids; give .npy, .npz, Parquet or a WebDataset tar",
        1,
    ),
    ("import ids.npy", "nothing says which model these ids are for; name it with -m", 2),
    ("import ids.npy -m speech-vp -o one.tok", "-o takes one recording or photo, and there are more; ...", 2),
    ("import ids.npy more.npy -m speech-vp -o one.tok", "-o takes one input; use --output-dir alone for several", 2),
    ("evaluate --dataset folder -j -1", "invalid value for '-j' / '--jobs': ...; `vpcodec evaluate -h` shows how", 2),
    ("evaluate --dataset folder --json taken.tok", "taken.tok: exists already; use -f to replace it", 1),
    ("evaluate --dataset folder --csv nowhere/a.csv", "nowhere/a.csv: there is no folder nowhere; make it first", 1),
    ("evaluate --dataset folder --json -", "--json -: standard output is used for the table; name a file", 2),
    (
        "evaluate --dataset folder --root empty-folder",
        "folder is a folder, not the name of a data set; --root and --download are for data sets with a name",
        2,
    ),
    ("train --data folder -o model", "missing option '--recipe'; `vpcodec train -h` shows how", 2),
    (
        "train --recipe speech-fps-tiny --data folder -o model",
        "no recipe named 'speech-fps-tiny'; known: ...; or a TOML file",
        2,
    ),
    ("train --recipe speech-fsp-tiny --data nowhere -o model", "nowhere: no such file or folder", 1),
    (
        "train --recipe speech-fsp-tiny --data empty-folder -o model",
        "empty-folder: no speech files; looked for .wav, ...",
        1,
    ),
    (
        "train --recipe speech-fsp-tiny --data folder -o model --set training.stepz=3",
        "unknown option stepz; known here: ...",
        2,
    ),
    (
        "train --recipe speech-fsp-tiny --data folder -o model --set training.steps",
        "--set training.steps: expected section.key=value",
        2,
    ),
    ("train --recipe speech-fsp-tiny --data folder -o model --resume", "model: nothing to resume", 2),
    ("train --data folder -o model --resume", "model/recipe.toml: ...", 2),
    (
        "train --recipe speech-fsp-tiny --data folder -o model --minutes 0",
        "--minutes 0: must be more than 0",
        2,
    ),
    ("train --recipe recipe.toml --data folder -o model", "recipe.toml: ...", 2),
)


def prepare(folder: Path) -> None:
    """Add to a folder with speech.wav, photo.png, speech.tok and photo.tok what the mistakes are made with."""
    os.rename(folder / "speech.tok", folder / "sound.tok")
    os.rename(folder / "photo.tok", folder / "picture.tok")
    sound = (folder / "sound.tok").read_bytes()
    (folder / "folder").mkdir()
    (folder / "empty-folder").mkdir()
    contents = {
        "folder/speech.wav": (folder / "speech.wav").read_bytes(),
        "notes.txt": b"that is a very fine cap you have, he said\n",
        "empty.wav": b"",
        "paper.pdf": b"%PDF-1.7" + bytes(100),
        "cut.wav": (folder / "speech.wav").read_bytes()[:3000],
        "speech.pcm": bytes(8000),
        "cut.tok": sound[:-20],
        "broken.tok": sound[:-60] + bytes([sound[-60] ^ 1]) + sound[-59:],
        "future.tok": with_checksum(sound[:3] + b"\x09" + sound[4:]),
        "foreign.tok": with_checksum(sound.replace(b"speech-vp", b"speech-xy")),
        "taken.tok": b"something dear to somebody",
        "ids.npy": IDS,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def with_checksum(content: bytes) -> bytes:
    """A token file whose header was changed, with a checksum that fits it."""
    size, start = content[4], 5
    if size > 127:
        size, start = size - 128 + 128 * content[5], 6
    end = start + size
    return content[:end] + zlib.crc32(content[:end]).to_bytes(4, "little") + content[end + 4 :]
