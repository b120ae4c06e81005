"""The table of commands: what each does, its options and three examples."""

from typing import NamedTuple

from vpcodec.cli import options as shared
from vpcodec.cli.options import Option
from vpcodec.data.kinds import MOST_PIXELS

PROGRAM = "vpcodec"
PCM = "PCM_16"
SPEECH_LEVEL = -20.0  # dBFS, which the models are trained at


class Command(NamedTuple):
    """A command."""

    function: str  # module in `vpcodec.cli` and function that does it
    text: str  # what it does; the first sentence stands in the list of commands
    options: tuple[Option, ...]  # in the order of the help text
    examples: tuple[str, str, str]
    argument: str = ""  # placeholder of its arguments; empty if it takes none

    @property
    def summary(self) -> str:
        """The first sentence of the text."""
        return self.text.partition("\n")[0].partition(". ")[0].rstrip(".") + "."


MAIN = Command(
    "",
    "Encode speech and photos as small token files, and decode them.",
    (
        Option("--version", "Print the version."),
        Option("--install-completion", "Install completion for the current shell."),
        Option("--show-completion", "Show completion for the current shell, to copy it or customize the installation."),
    ),
    ("vpcodec encode speech.wav photo.png", "vpcodec decode speech.tok -o back.flac", "vpcodec info speech.tok"),
    "COMMAND [ARGS]...",
)

COMMANDS = {
    "encode": Command(
        "coding.encode",
        """Encode recordings and photos as token files.

speech.wav becomes speech.tok. With -r, inputs whose output is complete are skipped.
Without -m, photos go to image-vp, recordings to speech-vp, and to audio-vp from 32 kHz on if it is installed.""",
        (
            *shared.OUTPUTS,
            shared.MODEL,
            *shared.RATES,
            *shared.SPAN,
            Option(
                "--latency S",
                "Seconds from microphone to loudspeaker, 0.25 or more. Files grow by 6 % at 0.5, by 12 % at 0.3.",
                float,
                least=0,
            ),
            *shared.MANY_FILES,
            Option("--salvage", "Encode what can be read of a damaged or truncated recording."),
            Option("--raw", "The inputs are raw samples without a header.", rare=True),
            Option("--sample-rate HZ", "Sample rate of raw samples.", int, rare=True),
            Option("--channels N", "Channels of raw samples.", int, 1, rare=True),
            Option(
                "--sample-format F", "Format of raw samples, little-endian: PCM_16, FLOAT...", default=PCM, rare=True
            ),
            Option("--max-pixels N", "Refuse photos with more pixels.", int, MOST_PIXELS, least=1, rare=True),
            shared.EFFORT,
            *shared.RUNNING,
        ),
        (
            "vpcodec encode speech.wav",
            "vpcodec encode -r corpus --output-dir tokens -j 4",
            "arecord -f S16_LE -r 16000 | vpcodec encode - -o speech.tok",
        ),
        "IN...",
    ),
    "decode": Command(
        "coding.decode",
        """Decode token files to recordings and photos.

speech.tok becomes speech.decoded.wav, photo.tok becomes photo.decoded.png. -o and --format change this.""",
        (
            *shared.OUTPUTS,
            Option("--format F", "Output format: wav, flac, ogg, raw; png, webp, jpeg."),
            shared.MODEL,
            *shared.SPAN,
            *shared.MANY_FILES,
            Option("--resync", "Go on after damaged frames; lost parts become silence or gray."),
            *shared.RUNNING,
        ),
        (
            "vpcodec decode speech.tok",
            "vpcodec decode photo.tok -o photo.webp",
            "vpcodec decode speech.tok --from 1:30 --to 1:45 -c | aplay",
        ),
        "IN...",
    ),
    "info": Command(
        "inspecting.info",
        """Show what is in token files, recordings, photos and models.

There are three rates: on disk, entropy (an ideal coder of single tokens) and nominal (from the codebook size).""",
        (shared.MODEL, shared.JSON),
        ("vpcodec info speech.tok", "vpcodec info --json *.tok", "vpcodec info speech-vp"),
        "IN...",
    ),
    "test": Command(
        "inspecting.check",
        "Check token files and report damage. The exit code is 1 if a file is damaged.",
        (shared.MODEL, shared.JSON, shared.QUIET),
        ("vpcodec test speech.tok", "vpcodec test -q *.tok && echo no damage", "vpcodec test --json *.tok"),
        "IN...",
    ),
    "models": Command(
        "inspecting.models",
        "List the installed models.",
        (shared.JSON,),
        ("vpcodec models", "vpcodec models --json", "VPCODEC_MODELS=my-models vpcodec models"),
    ),
    "train": Command(
        "training.train",
        "Train a model. Ctrl-C stops after the current step and keeps the state for --resume.",
        (
            Option(
                "--data DIR",
                "Folder of recordings or photos, a tar file, 'train-{000..099}.tar', or @FILE with a list of paths. "
                "Can be repeated.",
                required=True,
                repeated=True,
            ),
            Option("-o, --output DIR", "Folder for the model.", required=True),
            Option(
                "--recipe NAME|FILE", "Name of a recipe, or a TOML file. Default with --resume: the recipe of the run."
            ),
            Option("--valid DIR", "Validation data.", repeated=True),
            Option("--start MODEL", "Start from the weights of a model or checkpoint."),
            Option("--resume", "Continue the run in the output folder."),
            Option("--minutes M", "Minutes to train. Default: the recipe's steps.", float),
            Option("--set KEY=VALUE", "Change an option of the recipe, for example training.steps=500.", repeated=True),
            Option("--threads N", "Number of threads; 0: one per core.", int, 0, least=0),
            shared.DEVICE,
            Option("--memory GB", "Memory for decoded recordings or photos.", float, 1.0, least=0),
            Option(
                "--readers N",
                "Processes that read ahead; 0: a thread. Default: 0 on a CPU, up to 8 for a GPU.",
                int,
                least=0,
            ),
            Option("--compile", "Compile the network with torch.compile; pays on GPUs and for long runs."),
            Option("--tensorboard", "Also write the log for TensorBoard, into the output folder."),
            shared.QUIET,
            shared.NO_PROGRESS,
        ),
        (
            "vpcodec train --recipe speech-fsp-tiny --data recordings -o my-model --minutes 5",
            "vpcodec train --resume --data recordings -o my-model --minutes 9",
            "vpcodec train --recipe image-fsp-1024 --data photos -o fine --start image-fsp-1024",
        ),
    ),
    "evaluate": Command(
        "evaluating.evaluate",
        """Measure models on a data set: rate, quality and speed.

An interrupted evaluation resumes from NAME.items.jsonl, which stands next to NAME.json, .csv or .html until the
end. Items are coded one at a time, so that their times are comparable; --jobs applies to the metrics of sound.

The first model decides whether recordings are measured as speech at 16 kHz or, in stereo, as audio at 48 kHz,
with ViSQOL (pip install 'vpcodec[visqol]') and against opus, aac and mp3.""",
        (
            Option("--dataset NAME|DIR", "Name of a data set, NAME/SPLIT, or a folder.", required=True),
            Option("--root DIR", "Folder of the data set."),
            Option("--download", "Download the data set to --root first."),
            Option("-m, --model NAME", "Model; can be repeated.", repeated=True),
            Option("--codebook K,...", "Codebook sizes. Default: each model's largest.", shared.parse_codebooks),
            Option("--against CODEC,...", "Codecs to compare with: opus:6, avif, webp:q20...", shared.parse_list, []),
            Option(
                "--metrics NAME,...",
                "Metrics to measure. Default: all but rfid, visqol_speech, pesq_wb_16.",
                shared.parse_list,
            ),
            Option("--report FILE", "Write a report as an HTML page."),
            Option("--json FILE", "Write all figures as JSON."),
            Option("--csv FILE", "Write a table as CSV."),
            Option("--record", "Store the results with each model and in its card."),
            Option("-f, --force", "Overwrite existing files."),
            shared.JOBS,
            shared.ENGINE,
            shared.DEVICE,
            shared.EFFORT,
            shared.QUIET,
            shared.NO_PROGRESS,
        ),
        (
            "vpcodec evaluate --dataset recordings --report report.html",
            "vpcodec evaluate --dataset librispeech/test-clean --root ~/data --against opus:6,codec2:3200",
            "vpcodec evaluate --dataset kodak --root ~/kodak --download --json kodak.json",
        ),
    ),
    "export": Command(
        "exporting.export",
        """Export tokens as arrays, for example to train language models.

The output also has lengths, names, levels and the model, so `vpcodec import` can restore the token files. --to
codebook instead writes the vectors of a model's codebook as .npy, and --to onnx writes the graphs of the onnx
engine into the folders of the given models.""",
        (
            shared.OUTPUT,
            Option("--to F", "npz, parquet or webdataset; codebook or onnx for models. Default: the suffix of OUT."),
            shared.MODEL,
            shared.CODEBOOK,
            Option("--shard-size N", "Start a new output after N token files.", int, least=1),
            shared.RECURSIVE,
            shared.FORCE,
            shared.QUIET,
        ),
        (
            "vpcodec export *.tok -o tokens.npz",
            "vpcodec export -r tokens -o tokens.parquet",
            "vpcodec export -r tokens --to webdataset -o - | gzip > tokens.tar.gz",
        ),
        "IN...",
    ),
    "import": Command(
        "exporting.import_ids",
        """Write token files from arrays of ids.

IN is an export (.npz, Parquet or WebDataset, which keep their names), or a .npy file of ids: [T] or [B, T] of
speech, [H, W] or [B, H, W] of images. ids.npy becomes ids.tok; a batch becomes ids.tok, ids_2.tok and so on.""",
        (
            shared.OUTPUT,
            shared.OUTPUT_DIR,
            shared.MODEL,
            shared.CODEBOOK,
            Option("--level DB", "Level in dBFS for speech without stored levels.", float, SPEECH_LEVEL),
            shared.FORCE,
            shared.QUIET,
        ),
        (
            "vpcodec import tokens.parquet --output-dir back",
            "vpcodec import sampled.npy -m speech-low --codebook 4096 -o sampled.tok",
            "vpcodec import sampled.npy -m speech-low --codebook 4096 -o - | vpcodec decode - -c | aplay",
        ),
        "IN...",
    ),
}
