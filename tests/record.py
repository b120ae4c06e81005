"""A record of what the product does, to compare before and after a change that should change nothing.

    python tests/record.py make before.json [PART ...] [--tree DIR] [--all]
    python tests/record.py compare before.json [PART ...] [--tree DIR] [--all]

It holds SHA-256 of token files, of their ids, of decoded sound and pictures, of weights after ten steps of every tiny
recipe and of generated documents, and the figures of `vpcodec evaluate`. Everything goes through the command line, so
any older checkout can be recorded: --tree names it. VPCODEC_SHARED names the folder of the test data. Without --all it
takes five minutes of a core: robust sets are coded at one codebook size, test splits are not decoded, and four items
are evaluated. It can be made in parts.
"""

import argparse
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("VPCODEC_SHARED") or ROOT.parent / "shared")
MEDIA = ROOT / "tests" / "media"
DATA = {"speech": SHARED / "data" / "speech", "image": SHARED / "data" / "images"}
METHODS = ("fsp", "vp", "vq", "ema", "fsq", "simvq", "vqgan-fc", "tokenbridge", "nsvq", "transvq")
TEXTS = ("commands.md", "mistakes.md", "session.md", "format.md", "results.md", "vpcodec.1")
FEW = 4  # items of a test split that are evaluated by default
ANY = "1024"  # a codebook size that every model has
Record = dict[str, str]


class Program:
    """The command line of one checkout, run in a folder of its own."""

    def __init__(self, tree: Path, scratch: Path) -> None:
        self.tree, self.scratch = tree.resolve(), scratch
        self.environment = {**os.environ, "PYTHONPATH": str(self.tree), "OMP_NUM_THREADS": "1"}
        self.environment.setdefault("VPCODEC_LPIPS", str(SHARED / "weights"))
        self.size = "--codebook" if b"--codebook" in self("encode", "--help")[1] else "--rate"
        models = sorted(path.parent for path in (tree / "models").glob("*/model.toml"))
        self.models = {
            model.name: sorted(prior.stem.split("-")[-1] for prior in model.glob("prior-*.bin")) for model in models
        }

    def __call__(self, *words: object, content: bytes = b"") -> tuple[str, bytes]:
        """Exit code and standard output of a command."""
        command = [sys.executable, "-m", "vpcodec", *map(str, words)]
        done = subprocess.run(command, cwd=self.scratch, env=self.environment, input=content, capture_output=True)
        if b"Traceback" in done.stderr or done.returncode == 2:
            print(f"{' '.join(command[2:])}: {done.stderr.decode()[-600:]}", file=sys.stderr)
        return str(done.returncode), done.stdout

    def encode(self, name: str, codebook: int, *words: object, content: bytes = b"") -> tuple[str, bytes]:
        return self("encode", *words, "-m", name, self.size, codebook, "-q", content=content)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def files(folder: Path, before: str) -> Record:
    return {f"{before}/{path.relative_to(folder)}": sha(path.read_bytes()) for path in folder.rglob("*.*")}


def ids(archive: Path, before: str) -> Record:
    """Each file's ids out of an export, whatever the token format."""
    if not archive.exists():
        return {before: "no export"}
    with np.load(archive) as content:
        rows = np.split(
            content["ids"].astype(np.int64), content["length" if "length" in content else "lengths"].cumsum()[:-1]
        )
        names = [Path(str(name)).name for name in content["name" if "name" in content else "names"]]
    return {f"{before}/{name}": sha(row.tobytes()) for name, row in zip(names, rows, strict=True)}


def coded(run: Program, everything: bool) -> Record:
    """Token files, ids, decoded media: of the repository's own, of the test splits and of the robust sets."""
    found: Record = {}
    for name, codebooks in run.models.items():
        kind = name.partition("-")[0]
        own = [MEDIA / "speech.flac"] if kind == "speech" else [MEDIA / "cat.png", MEDIA / "coffee.jpg"]
        for codebook in codebooks:
            sets = {"media": own, "test": ["-r", DATA[kind] / "test"], "robust": ["-r", DATA[kind] / "robust"]}
            for title, inputs in sets.items():
                if title == "robust" and codebook != ANY and not everything:
                    continue
                place = f"{name}@{codebook}/{title}"
                out = run.scratch / "tokens" / place
                found[f"exit/encode/{place}"] = run.encode(name, codebook, *inputs, "--output-dir", out)[0]
                found |= files(out, f"bytes/{place}")
                run("export", "-r", out, "-o", out.with_suffix(".npz"), "-q")
                found |= ids(out.with_suffix(".npz"), f"ids/{place}")
                if title != "test" or everything:
                    back = run.scratch / "decoded" / place
                    found[f"exit/decode/{place}"] = run("decode", "-r", out, "--output-dir", back, "-q")[0]
                    found |= files(back, f"decoded/{place}")
    return found


def ways(run: Program, everything: bool) -> Record:
    """Ranges, pipes, formats and damage, of a minute of speech and of a large photo."""
    long, photo = run.scratch / "long.wav", DATA["image"] / "robust" / "large_8mpx.jpg"
    pieces = sorted((DATA["speech"] / "test").glob("*.flac"))[:12]
    samples = np.concatenate([soundfile.read(piece, dtype="int16")[0] for piece in pieces])
    with wave.open(str(long), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    found: Record = {}
    for kind, name, source, form in (("speech", "speech-vp", long, "flac"), ("image", "image-vp", photo, "webp")):
        tokens = run.encode(name, ANY, "-", "-c", content=source.read_bytes())[1]
        damaged = bytearray(tokens)
        damaged[len(tokens) // 2] ^= 0x55
        tries = {
            "pipe": (tokens, []),
            form: (tokens, ["--format", form]),
            "range": (tokens, ["--from", "20.5", "--to", "0:31.25"]),
            "damaged": (bytes(damaged), []),
            "resync": (bytes(damaged), ["--resync"]),
            "truncated": (tokens[: len(tokens) // 2], ["--resync"]),
        }
        found[f"ways/{kind}/bytes"] = sha(tokens)
        for title, (content, words) in tries.items():
            code, out = run("decode", "-", "-c", "-q", *words, content=content)
            found[f"ways/{kind}/{title}"] = f"exit {code}, {sha(out)}"
    found["ways/speech/encode range"] = sha(run.encode("speech-vp", ANY, long, "-c", "--from", "3.3", "--to", "40")[1])
    raw = ["--raw", "--sample-rate", "22050", "--channels", "2"]
    found["ways/speech/raw"] = sha(run.encode("speech-low", ANY, "-", "-c", *raw, content=samples.tobytes())[1])
    return found


def tensors(path: Path) -> str:
    """Hash of the tensors of a safetensors file, whatever their names and order."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    header.pop("__metadata__", None)
    each = (f"{one['dtype']}{one['shape']}{sha(body[slice(*one['data_offsets'])])}" for one in header.values())
    return sha("".join(sorted(each)).encode())


def trained(run: Program, everything: bool) -> Record:
    """Weights after ten steps of every tiny recipe."""
    found: Record = {}
    for recipe in [f"{kind}-{method}-tiny" for kind in DATA for method in METHODS]:
        out = run.scratch / recipe
        words = ["--recipe", recipe, "--data", MEDIA, "-o", out, "--set", "training.steps=10", "--threads", "1", "-q"]
        code, _ = run("train", *words)
        found[f"weights/{recipe}"] = tensors(out / "weights.safetensors") if code == "0" else f"exit {code}"
    return found


def figures(value: object, before: str) -> Record:
    """Numbers of nested JSON, each under its path; times and paths are left out."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in ("speed", "identity")}
        return {path: text for key, each in kept.items() for path, text in figures(each, f"{before}/{key}").items()}
    return {before: json.dumps(value)}


def evaluated(run: Program, everything: bool) -> Record:
    """Every figure of `vpcodec evaluate`, with what each evaluation.json says already."""
    found: Record = {}
    for name, codebooks in run.models.items():
        test = DATA[name.partition("-")[0]] / "test"
        if not everything:
            media = sorted(path for path in test.iterdir() if path.suffix != ".tsv")
            few = run.scratch / name / "test"
            few.mkdir(parents=True)
            for path in media[:: len(media) // FEW][:FEW]:
                shutil.copy(path, few)
            test = few
        report = run.scratch / f"{name}.json"
        sizes = ",".join(map(str, codebooks))
        run("evaluate", "--dataset", test, "-m", name, run.size, sizes, "--json", report, "-q")
        again = json.loads(report.read_text())["candidates"] if report.exists() else []
        shipped = json.loads((run.tree / "models" / name / "evaluation.json").read_text())["runs"]
        for title, candidates in (("again", again), *((each["dataset"], each["candidates"]) for each in shipped)):
            for each in candidates:
                found |= figures(each, f"figures/{title}/{each.pop('name')}")
    return found


def texts(run: Program, everything: bool) -> Record:
    paths = [run.tree / "docs" / name for name in TEXTS]
    return {f"texts/{path.name}": sha(path.read_bytes()) for path in paths if path.exists()}


PARTS = {"texts": texts, "ways": ways, "coded": coded, "evaluated": evaluated, "trained": trained}


def make(tree: Path, parts: list[str], everything: bool) -> Record:
    found: Record = {}
    with tempfile.TemporaryDirectory(prefix="record-") as scratch:
        run = Program(tree, Path(scratch))
        for part in parts or PARTS:
            found |= PARTS[part](run, everything)
            print(f"{part}: {len(found)} entries so far", file=sys.stderr)
    return found


def compare(before: Record, after: Record) -> list[str]:
    """A line for each entry that differs, below a count for each group."""
    groups = {key: "/".join(key.split("/")[:2]) for key in before | after}
    changed = sorted(key for key in groups if before.get(key) != after.get(key))
    counts, totals = Counter(groups[key] for key in changed), Counter(groups.values())
    lines = [f"{count} of {totals[group]} differ: {group}" for group, count in sorted(counts.items())]
    return lines + [f"  {key}: {before.get(key, 'none')} -> {after.get(key, 'none')}" for key in changed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("task", choices=("make", "compare"))
    parser.add_argument("record", type=Path)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout to record; this one by default")
    parser.add_argument("--all", action="store_true", help="leave nothing out; takes an hour")
    parser.add_argument("--save", type=Path, help="where compare keeps what it made")
    chosen = parser.parse_args()
    found = make(chosen.tree, chosen.parts, chosen.all)
    if chosen.task == "make":
        chosen.record.write_text(json.dumps(found, indent=0))
        return 0
    if chosen.save:
        chosen.save.write_text(json.dumps(found, indent=0))
    before = json.loads(chosen.record.read_text())
    tops = {key.split("/")[0] for key in found}
    lines = compare({key: value for key, value in before.items() if key.split("/")[0] in tops}, found)
    print("\n".join(lines) or f"all {len(found)} entries are equal")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
