"""Three examples per command, shown by -h and in docs/commands.md."""

EXAMPLES = {
    "vpcodec": (
        "vpcodec encode speech.wav photo.png",
        "vpcodec decode speech.tok -o back.flac",
        "vpcodec info speech.tok",
    ),
    "encode": (
        "vpcodec encode speech.wav",
        "vpcodec encode -r corpus --output-dir tokens -j 4",
        "arecord -f S16_LE -r 16000 | vpcodec encode - -o speech.tok",
    ),
    "decode": (
        "vpcodec decode speech.tok",
        "vpcodec decode photo.tok -o photo.webp",
        "vpcodec decode speech.tok --from 1:30 --to 1:45 -c | aplay",
    ),
    "info": (
        "vpcodec info speech.tok",
        "vpcodec info --json *.tok",
        "vpcodec info speech-vp",
    ),
    "test": (
        "vpcodec test speech.tok",
        "vpcodec test -q *.tok && echo no damage",
        "vpcodec test --json *.tok",
    ),
    "models": (
        "vpcodec models",
        "vpcodec models --json",
        "VPCODEC_MODELS=my-models vpcodec models",
    ),
    "export": (
        "vpcodec export *.tok -o tokens.npz",
        "vpcodec export -r tokens -o tokens.parquet",
        "vpcodec export -r tokens --to webdataset -o - | gzip > tokens.tar.gz",
    ),
    "import": (
        "vpcodec import tokens.parquet --output-dir back",
        "vpcodec import sampled.npy -m speech-low --codebook 4096 -o sampled.tok",
        "vpcodec import sampled.npy -m speech-low --codebook 4096 -o - | vpcodec decode - -c | aplay",
    ),
    "train": (
        "vpcodec train --recipe speech-fsp-tiny --data recordings -o my-model --minutes 5",
        "vpcodec train --resume --data recordings -o my-model --minutes 9",
        "vpcodec train --recipe image-fsp-1024 --data photos -o fine --start image-fsp-1024",
    ),
    "evaluate": (
        "vpcodec evaluate --dataset recordings --report report.html",
        "vpcodec evaluate --dataset librispeech/test-clean --root ~/data --against opus:6,codec2:3200",
        "vpcodec evaluate --dataset kodak --root ~/kodak --download --json kodak.json",
    ),
}


def epilog(examples: tuple[str, ...]) -> str:
    """The examples as the end of a help text. `\b` keeps their line breaks."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples)
