"""Breakages that the tests must notice: `python -m tests.mutants [WORD ...]` applies each and prints which survive.

Each one is put into a temporary copy of the checkout, where the tests nearby are run. With words, only those whose
file, text or replacement holds one of them. The exit code is 1 where one survives, or where nothing can be said.

Whoever changes a line that stands here changes it here, too (`test_mutants.py` names it); whoever finds a breakage
that no test sees adds it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600  # seconds for the tests of one breakage; what hangs counts as noticed
FAILED = 1  # pytest's exit code for failed tests; others mean that nothing was run


class Mutant(NamedTuple):
    """One breakage.

    Attributes:
        file: Of the checkout.
        text: What stands there exactly once.
        replacement: What breaks it.
        tests: Those nearby, as arguments of pytest.
    """

    file: str
    text: str
    replacement: str
    tests: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text!r} -> {self.replacement!r}"


CONTINUED = "tests/container/test_continued.py"
TABLED = "tests/container/test_tabled.py"
LOOP = "vpcodec/training/loop.py"
LOSSES = "vpcodec/losses/sound.py"
ONE_STEP = "tests/training/test_one_step.py"

GROUPED = "vpcodec/quantizers/grouped.py"
CROPS = "vpcodec/data/crops.py"
JOURNAL = "vpcodec/training/journal.py"

TRAINING = (
    Mutant(LOOP, "        self.check_finite(row)\n", "", "tests/training/test_loop.py"),
    Mutant(CROPS, "BAD_SHARE = 0.1 ", "BAD_SHARE = 1.0 ", "tests/data/test_crops.py"),
    Mutant(LOOP, "        self.check_enough()\n", "", "tests/training/test_loop.py"),
    Mutant("vpcodec/training/readers.py", "count(first),\n", "count(0),\n", "tests/training/test_readers.py"),
    Mutant("vpcodec/data/media.py", " {changes[each.path]}", "", "tests/data/test_crops.py"),
    Mutant("vpcodec/graphs/writing.py", ".any(1).all())", ".any(1).any())", "tests/test_graphs.py"),
    Mutant(JOURNAL, "model.unquantized(crops)", "model(crops)[0]", ONE_STEP),
    Mutant(CROPS, "self.held > self.memory", "self.held > 1e12", "tests/data/test_crops.py"),
    Mutant(CROPS, "seconds * part / parts, stop", "seconds * part / parts + 1, stop", "tests/data/test_crops.py"),
    Mutant(CROPS, "        self.skipped[place] = error\n", "", "tests/data/test_crops.py"),
    Mutant(
        GROUPED, "place *= part.vocabulary(self.codebooks[rate][1])", "place *= 2", "tests/quantizers/test_grouped.py"
    ),
    Mutant(GROUPED, "parts[: self.codebooks[rate][0]]", "parts", "tests/quantizers/test_grouped.py"),
    Mutant(LOOP, "        self.follow()\n", "", ONE_STEP),
    Mutant(LOOP, 'group["peak"] * factor', 'group["peak"]', ONE_STEP),
    Mutant(LOOP, "self.model.parameters(), self.options.clip)", "self.model.parameters(), 1e9)", ONE_STEP),
    Mutant("vpcodec/training/optimizer.py", "weight_decay=options.weight_decay)", "weight_decay=0.0)", ONE_STEP),
    Mutant(LOOP, "(distance + quantized.loss).backward()", "distance.backward()", ONE_STEP),
    Mutant(LOOP, "self.parallel(crops, progress, rate)", "self.parallel(crops, 0.0, rate)", ONE_STEP),
    Mutant(LOOP, "rates[int(torch.randint(len(rates), ()))]", "rates[-1]", ONE_STEP),
    Mutant(LOOP, "save_model(self.run.out, self.average.cpu()", "save_model(self.run.out, self.model.cpu()", ONE_STEP),
    Mutant(
        "vpcodec/training/optimizer.py",
        "betas=(0.9, 0.95), weight_decay=0.0)",
        "betas=(0.9, 0.95), weight_decay=0.1)",
        ONE_STEP,
    ),
    Mutant(LOOP, "while positions * world_size() < self.options.fitting_positions:", "while positions < 1:", ONE_STEP),
    Mutant(LOOP, "self.valid.look(self.average,", "self.valid.look(self.model,", ONE_STEP),
    Mutant("vpcodec/autoencoder.py", "self.quantizer.rates.index(self.quantizer.checked_rate(rate))", "0", ONE_STEP),
    Mutant("vpcodec/networks/blocks.py", "x = x + condition", "pass", ONE_STEP),
    Mutant("vpcodec/training/optimizer.py", "STEP_SCALE = 0.2 ", "STEP_SCALE = 2.0 ", ONE_STEP),
    Mutant(LOOP, "        self.tell(1.0, math.nan)\n", "", ONE_STEP),
    Mutant(LOOP, "        self.save()  # at once", "        # at once", "tests/training/test_loop.py"),
    Mutant(LOOP, "train(not self.options.decoder_only)", "train()", "tests/training/test_loop.py"),
    Mutant(LOOP, "with errors_named(run.out), process_group", "with process_group", "tests/cli/test_training.py"),
    Mutant(
        "vpcodec/cli/training.py", "self.ending or not self.stepping:", "self.ending:", "tests/cli/test_training.py"
    ),
    Mutant(
        "vpcodec/training/checkpoint.py", "optimizer.state[parameter] = device", "pass", "tests/training/test_loop.py"
    ),
    Mutant(JOURNAL, "if what not in noted:", "if True:", "tests/training/test_journal.py"),
    Mutant(JOURNAL, 'line.endswith("\\n") and ', "", "tests/training/test_journal.py"),
    Mutant(
        "vpcodec/data/media.py", "below.is_file() or not below.exists()", "below.is_file()", "tests/data/test_crops.py"
    ),
    Mutant("vpcodec/data/media.py", "(path, refuse)", "(path, lambda error: None)", "tests/data/test_crops.py"),
    Mutant("vpcodec/data/streams.py", "                seen.add(found)\n", "", "tests/data/test_crops.py"),
    Mutant(
        CROPS, "range(rank, self.options.batch, processes)", "range(self.options.batch)", "tests/data/test_crops.py"
    ),
)

QUANTIZERS = (
    Mutant("vpcodec/plugins.py", "if name not in ALLOWED:", "if False:", "tests/test_plugins.py"),
    Mutant(
        "vpcodec/quantizers/perturbation.py",
        "max(most, block // points_at_once)",
        "len(rows)",
        "tests/quantizers/test_perturbation.py",
    ),
    Mutant(
        "vpcodec/quantizers/codebook.py",
        "            return self.build().detach()\n",
        "            self.frozen_codes = self.build().detach()\n            return self.frozen_codes\n",
        "tests/quantizers/test_contract.py",
    ),
    Mutant(
        "vpcodec/quantizers/codebook.py",
        "LATENTS_PER_CODE = 256 ",
        "LATENTS_PER_CODE = 2 ",
        "tests/quantizers/test_codebook.py",
    ),
    Mutant(
        "vpcodec/quantizers/base.py", "mean_weight * rows.mean(0)", "0.0 * rows.mean(0)", "tests/quantizers/test_fsp.py"
    ),
    Mutant("vpcodec/quantizers/fsp.py", "(self.reach / self.levels)", "self.reach", "tests/quantizers/test_fsp.py"),
    Mutant(
        "vpcodec/quantizers/codebook.py",
        "self.beta * commitment(prepared, codes)",
        "commitment(prepared, codes)",
        "tests/quantizers/test_vq.py tests/quantizers/test_simvq.py",
    ),
    Mutant(
        "vpcodec/quantizers/perturbation.py",
        "uniform ** (1 / normal.shape[-1])",
        "uniform",
        "tests/quantizers/test_vp.py::test_proposals_are_uniform_in_the_ball",
    ),
    Mutant(
        "vpcodec/quantizers/vq.py",
        "self.sums.lerp_(summed(sums), 1 - self.decay)",
        "self.sums.lerp_(summed(sums), self.decay)",
        "tests/quantizers/test_vq.py",
    ),
    Mutant("vpcodec/quantizers/nsvq.py", "-HALVINGS * progress", "-HALVINGS", "tests/quantizers/test_nsvq.py"),
    Mutant(
        "vpcodec/quantizers/vqgan_fc.py",
        "return on_sphere(latents)",
        "return latents",
        "tests/quantizers/test_vqgan_fc.py",
    ),
    Mutant(
        "vpcodec/quantizers/fsq.py", "2 * self.noise.uniform", "4 * self.noise.uniform", "tests/quantizers/test_fsq.py"
    ),
    Mutant(
        "vpcodec/quantizers/tokenbridge.py",
        "(log_variances / 2).exp()",
        "log_variances.exp()",
        "tests/quantizers/test_tokenbridge.py",
    ),
)

NETWORKS = (
    Mutant(
        "vpcodec/networks/sound.py",
        "LOUDEST = math.exp(7.0)",
        "LOUDEST = math.exp(5.0)",
        "tests/networks/test_networks.py",
    ),
    Mutant(
        "vpcodec/networks/sound.py",
        "LOUDEST = math.exp(7.0)",
        "LOUDEST = math.exp(70.0)",
        "tests/networks/test_networks.py",
    ),
    Mutant(
        "vpcodec/networks/sound.py", "twice[0] = twice[-1] = 1.0", "twice[0] = 1.0", "tests/networks/test_networks.py"
    ),
    Mutant(
        "vpcodec/networks/blocks.py",
        "return x + (self.gain * ",
        "return self.gain * ",
        "tests/networks/test_networks.py",
    ),
    Mutant(
        "vpcodec/networks/image.py",
        "reach(options.decoder_blocks, options.kernel) + 1",
        "reach(options.decoder_blocks, options.kernel)",
        "tests/networks/test_networks.py",
    ),
)

LOSSES_AND_METRICS = (
    Mutant("vpcodec/losses/loudness.py", "\nEXPONENT = 0.23 ", "\nEXPONENT = 0.5 ", "tests/losses/test_loudness.py"),
    Mutant("vpcodec/losses/loudness.py", "DEAD_ZONE = 0.25 ", "DEAD_ZONE = 0.0 ", "tests/losses/test_loudness.py"),
    Mutant("vpcodec/losses/loudness.py", "DEAD_ZONE = 0.25 ", "DEAD_ZONE = 2.5 ", "tests/losses/test_loudness.py"),
    Mutant(LOSSES, "(taper / taper.sum())", "taper", "tests/losses/test_losses.py"),
    Mutant(LOSSES, "first * quarter :", ":", "tests/losses/test_losses.py"),
    Mutant(LOSSES, "if reconstruction.requires_grad else (1, 0)", "", "tests/losses/test_losses.py"),
    Mutant(LOSSES, "min(OVERLAP, frames)", "OVERLAP", "tests/losses/test_losses.py"),
    Mutant(LOSSES, "        spectrum[..., [0, -1]] *= 2", "        #", "tests/losses/test_losses.py"),
    Mutant(LOSSES, "alpha=COMPRESSION", "alpha=1", "tests/losses/test_losses.py"),
    Mutant(LOSSES, "COMPRESSION = 0.3 ", "COMPRESSION = 1.0 ", "tests/losses"),
    Mutant("vpcodec/losses/intelligibility.py", "BANDS = 15", "BANDS = 5", "tests/losses/test_intelligibility.py"),
    Mutant("vpcodec/losses/image.py", "0.02**2, 0.06**2", "0.2**2, 0.6**2", "tests/losses/test_losses.py"),
    Mutant("vpcodec/metrics/image.py", "(-10 * error.log10())", "(-20 * error.log10())", "tests/metrics/test_image.py"),
    Mutant("vpcodec/metrics/speech.py", "target *= ours @ target / energy", "pass", "tests/metrics/test_speech.py"),
    Mutant("vpcodec/metrics/usage.py", "perplexity=2**bits", "perplexity=bits", "tests/metrics/test_usage.py"),
    Mutant("vpcodec/metrics/image.py", "- 2 * shared", "- shared", "tests/metrics/test_image.py"),
)

DATA = (
    Mutant("vpcodec/data/crops.py", "NARROW_SHARE = 0.15 ", "NARROW_SHARE = 0.0 ", "tests/data/test_augmentation.py"),
    Mutant(
        "vpcodec/data/crops.py",
        "LEVEL_RANGE = (-9.0, 6.0)",
        "LEVEL_RANGE = (0.0, 0.0)",
        "tests/data/test_augmentation.py",
    ),
    Mutant(
        "vpcodec/data/crops.py",
        "ZOOM_RANGE = (0.25, 1.0)",
        "ZOOM_RANGE = (1.0, 1.0)",
        "tests/data/test_augmentation.py",
    ),
    Mutant("vpcodec/data/level.py", "TARGET = -20.0 ", "TARGET = -26.0 ", "tests/data/test_level.py"),
    Mutant(
        "vpcodec/data/output.py", "                os.fsync(stream.fileno())\n", "", "tests/data/test_durable_output.py"
    ),
    Mutant(
        "vpcodec/data/output.py",
        "            os.fsync(descriptor)\n",
        "            pass\n",
        "tests/data/test_durable_output.py",
    ),
    Mutant(
        "vpcodec/data/resample.py",
        "-(-frames * target_rate // source_rate)",
        "frames * target_rate // source_rate",
        "tests/data/test_resample.py",
    ),
    Mutant(
        "vpcodec/data/image.py",
        "6: Image.Transpose.ROTATE_270",
        "6: Image.Transpose.ROTATE_90",
        "tests/data/test_open_image.py",
    ),
    Mutant(
        "vpcodec/data/colors.py",
        "* 255 + white // 2) // white)",
        "* 255 + white // 2) // (2 * white))",
        "tests/data/test_open_image.py tests/data/test_tiff.py",
    ),
    Mutant(
        "vpcodec/data/mpeg.py",
        "min(self.reservoir, most)",
        "min(self.reservoir, 0)",
        "tests/data/test_damaged_recordings.py",
    ),
    Mutant(
        "vpcodec/codec/image.py",
        "open_image(target, facts.width * facts.height)",
        "open_image(target)",
        "tests/test_verify.py",
    ),
    Mutant("vpcodec/data/pcm.py", "scale, scale - 1)", "scale, scale)", "tests/data/test_pcm.py"),
)

CONTAINER_AND_CODEC = (
    Mutant("vpcodec/container/fields.py", "if index and not byte:", "if False:", "tests/container"),
    Mutant("vpcodec/container/parts.py", "if beyond > reach:", "if False:", "tests/container/test_reader.py"),
    Mutant("vpcodec/container/tabled.py", "self.payload[start : start + len(expected)] != expected", "False", TABLED),
    Mutant("vpcodec/container/parts.py", "!= word(run)[:CHECK]", "== b''", CONTINUED),
    Mutant(
        "vpcodec/container/format.py",
        "smallest_flat_size(self.header.vocabulary, frame.tokens.size)",
        "9999",
        CONTINUED,
    ),
    Mutant(
        "vpcodec/container/_ranges.c",
        "coder->part[p].size + 1",
        "coder->part[p].size",
        TABLED,
    ),
    Mutant("vpcodec/container/_ranges.c", "if (next > held &&", "if (0 &&", TABLED),
    Mutant("vpcodec/container/coding.py", "fits and number.max() < level", "fits", "tests/container/test_flat.py"),
    Mutant(
        "vpcodec/codec/windows.py",
        "max(0, core_start - context)",
        "core_start",
        "tests/codec/test_windows.py tests/codec/test_image.py",
    ),
    Mutant("vpcodec/training/prior.py", "TRUST = 30.0 ", "TRUST = 1e9 ", "tests/training/test_prior.py"),
    Mutant("vpcodec/container/reader.py", "on_damage.lost += frame is None", "pass", "tests/container/test_resync.py"),
    Mutant(
        "vpcodec/container/reader.py",
        "min(held, self.footer.length)",
        "self.footer.length",
        "tests/container/test_resync.py",
    ),
    Mutant(
        "vpcodec/codec/sound_windows.py",
        "samples[:, channels - 1 :].mean(axis=1)",
        "samples[:, channels - 1]",
        "tests/codec/test_audio.py",
    ),
    Mutant(
        "vpcodec/codec/sound_windows.py",
        "np.sqrt(np.square(rows).mean(axis=2))",
        "rows[..., 0]",
        "tests/codec/test_audio.py",
    ),
    Mutant(
        "vpcodec/container/header.py",
        "-(-self.channels // self.channels_per_token)",
        "self.channels // self.channels_per_token",
        "tests/container/test_header.py",
    ),
    Mutant("vpcodec/codec/signals.py", "each <= asked * NEAR", "each <= asked * 1.2", "tests/codec/test_signals.py"),
    Mutant(
        "vpcodec/codec/pipeline.py",
        "bisect_right(rates, most, key=size)",
        "bisect_right(rates, most - 1, key=size)",
        "tests/codec/test_signals.py",
    ),
    Mutant("vpcodec/codec/sound.py", "LEAD = 4096 ", "LEAD = 0 ", "tests/codec/test_window_borders.py"),
    Mutant("vpcodec/codec/image.py", "8 if info.bit_depth <= 8 else 16", "8", "tests/codec/test_photo_header.py"),
    Mutant(
        "vpcodec/codec/sound_windows.py",
        "rows[marked, place].mean(axis=-1, keepdims=True)",
        "rows[marked, place]",
        "tests/codec/test_audio.py",
    ),
    Mutant("vpcodec/codec/sound_windows.py", "GLIDE = 0.03 ", "GLIDE = 0.0005 ", "tests/codec/test_speech.py"),
    Mutant("vpcodec/export.py", "vocabulary <= 1 << 16", "vocabulary <= 1 << 20", "tests/test_export.py"),
    Mutant("vpcodec/export.py", "vocabulary <= 1 << 16", "vocabulary < 1 << 16", "tests/test_export.py"),
    Mutant("vpcodec/codec/arrays.py", "ids // size**group ", "ids ", "tests/test_importing.py"),
    Mutant("vpcodec/codec/token_calls.py", "(place,) * many", "()", "tests/codec/test_arrays.py"),
    Mutant("vpcodec/codec/arrays.py", "levels[None] if count == 1 else ", "", "tests/codec/test_arrays.py"),
    Mutant("vpcodec/codec/arrays.py", "signal.element_size() < 4", "False", "tests/codec/test_arrays.py"),
    Mutant(
        "vpcodec/codec/image.py",
        "[kept])\n            return pixels[:, :",
        "[kept])\n            return pixels[:1, :",
        "tests/codec/test_arrays.py",
    ),
    Mutant("vpcodec/codec/streaming.py", "block < 1 or ", "", "tests/codec/test_arrays.py"),
    Mutant("vpcodec/codec/sound_windows.py", "QUIETEST + STEP * level", "STEP * level", "tests/test_importing.py"),
    Mutant("vpcodec/codec/sound.py", "min(number, len(levels) - 1)", "0", "tests/test_importing.py"),
    Mutant("vpcodec/codec/sound.py", "len(sizes) == 1 and", "False and", "tests/codec/test_arrays.py"),
    Mutant("vpcodec/codec/engines.py", "tokens >= vocabulary", "tokens > vocabulary", "tests/test_importing.py"),
    Mutant(
        "vpcodec/export.py",
        'if info.get("weights", model.checksum.hex()) != model.checksum.hex():',
        "if False:",
        "tests/test_importing.py",
    ),
    Mutant("vpcodec/registry.py", "        self.verify()\n", "", "tests/test_registry.py"),
    Mutant("vpcodec/registry.py", "return [*roots, package.parent", "return [package.parent", "tests/test_registry.py"),
)

CORPUS_EVALUATION_AND_COMMAND = (
    Mutant("vpcodec/cli/exporting.py", '("", ".", "..")', '("",)', "tests/cli/test_exporting.py"),
    Mutant("vpcodec/cli/exporting.py", "size - 1", "size", "tests/cli/test_exporting.py"),
    Mutant(
        "vpcodec/corpus/plan.py", "self.number - 1 :: self.count", "self.number :: self.count", "tests/test_corpus.py"
    ),
    Mutant(
        "vpcodec/evaluation/summary.py", "CONFIDENCE = 0.95", "CONFIDENCE = 0.5", "tests/evaluation/test_figures.py"
    ),
    Mutant(
        "vpcodec/evaluation/candidates.py",
        "(facts.spectral_parameters + fourier)",
        "facts.spectral_parameters",
        "tests/evaluation/test_figures.py",
    ),
    Mutant(
        "vpcodec/evaluation/examples.py",
        "direction = 1 if METRICS[metric].more_is_better else -1",
        "direction = 1",
        "tests/evaluation/test_report.py",
    ),
    Mutant(
        "vpcodec/evaluation/report.py",
        "ours > theirs if METRICS[metric].more_is_better else ours < theirs",
        "ours > theirs",
        "tests/evaluation/test_report.py",
    ),
    Mutant(
        "vpcodec/evaluation/plots.py",
        "(0.05, 0.25, 0.5, 0.75, 0.95)",
        "(0.05, 0.3, 0.5, 0.7, 0.95)",
        "tests/evaluation/test_report.py",
    ),
    Mutant(
        "vpcodec/evaluation/results.py",
        "for key, each in pairs if each is not None",
        "for key, each in pairs",
        "tests/evaluation/test_cards.py",
    ),
    Mutant("vpcodec/metrics/table.py", "network(decoded * 2 - 1,", "network(decoded,", "tests/metrics/test_lpips.py"),
    Mutant(
        "vpcodec/processes.py",
        "with one_thread_each(), interrupts_held():",
        "with one_thread_each():",
        "tests/test_processes.py",
    ),
    Mutant("vpcodec/processes.py", "process.terminate()", "pass", "tests/test_processes.py"),
    Mutant(
        "vpcodec/evaluation/programs.py",
        "wanted = budget * 8 / seconds",
        "wanted = budget / seconds",
        "tests/evaluation/test_matched_rate.py",
    ),
    Mutant(
        "vpcodec/evaluation/candidates.py",
        "if len(content) <= budget:",
        "if len(content) < budget:",
        "tests/evaluation/test_matched_rate.py",
    ),
    Mutant("vpcodec/metrics/audio.py", "* (4 / WINDOW)", "* (2 / WINDOW)", "tests/metrics/test_audio.py"),
    Mutant("vpcodec/metrics/audio.py", "(hertz >= low) & ", "", "tests/metrics/test_audio.py"),
    Mutant(
        "vpcodec/metrics/audio.py",
        "ours * theirs.conj(), deg=True",
        "ours * theirs, deg=True",
        "tests/metrics/test_audio.py",
    ),
    Mutant(
        "vpcodec/metrics/audio.py",
        "decoded.T.ravel(), original.T.ravel()",
        "decoded[:, 0], original[:, 0]",
        "tests/metrics/test_audio.py",
    ),
    Mutant(
        "vpcodec/evaluation/programs.py",
        '"--speech", "--music"',
        '"--speech", "--downmix-mono"',
        "tests/evaluation/test_audio.py",
    ),
    Mutant(
        "vpcodec/evaluation/summary.py",
        "estimate(rates, [row.extent for row in coded])",
        "estimate(rates, None)",
        "tests/evaluation/test_figures.py",
    ),
    Mutant(
        "vpcodec/evaluation/summary.py",
        "usage.tokens * usage.figures().entropy_bits / extent",
        "usage.tokens * usage.figures().perplexity / extent",
        "tests/evaluation/test_evaluate.py",
    ),
    Mutant(
        "vpcodec/cli/coding.py",
        "rest = result.seconds - result.load_seconds - result.network_seconds",
        "rest = result.seconds",
        "tests/cli/test_timings.py",
    ),
    Mutant(
        "vpcodec/networks/__init__.py",
        "options.architecture or kind",
        "kind",
        "tests/test_plugins.py",
    ),
    Mutant("vpcodec/registry.py", "sample_rate >= WIDE", "sample_rate > WIDE", "tests/test_default_model.py"),
    Mutant("vpcodec/data/audio.py", "            whole.seek(0)\n", "            pass\n", "tests/test_default_model.py"),
    Mutant("vpcodec/codec/sound_windows.py", "CLEAR = 1e-4 ", "CLEAR = 1e-6 ", "tests/test_default_model.py"),
    Mutant("vpcodec/codec/sound_windows.py", "CLEAR = 1e-4 ", "CLEAR = 1e-2 ", "tests/test_default_model.py"),
    Mutant(
        "vpcodec/codec/sound_windows.py",
        "stop, round(GLIDE * self.facts.sample_rate)",
        "stop, round(GLIDE * 16_000)",
        "tests/codec/test_levels.py",
    ),
    Mutant("vpcodec/data/level.py", "RELEASE = 1.5 ", "RELEASE = 0.05 ", "tests/codec/test_levels.py"),
    Mutant("vpcodec/metrics/audio.py", "(theirs > QUIETEST)", "(theirs > -300)", "tests/metrics/test_audio.py"),
    Mutant(LOSSES, "drawn in (None, index)", "True", "tests/losses/test_losses.py"),
    Mutant("vpcodec/codec/effort.py", "encode(latents, rate)", "encode(view, rate)", "tests/codec/test_effort.py"),
    Mutant(
        "vpcodec/codec/torch_engine.py",
        "for pixels in given]",
        "for pixels in given[:1].expand_as(given)]",
        "tests/codec/test_effort.py",
    ),
    Mutant(CROPS, "memory, recipe.network.sample_rate)", "memory)", "tests/data/test_crops.py"),
    Mutant("vpcodec/cli/main.py", "get_terminal_size().columns, WIDEST", "80, WIDEST", "tests/cli/test_help.py"),
    Mutant("vpcodec/cli/options.py", "not value >= self.least", "False", "tests/cli/test_mistakes.py"),
    Mutant("vpcodec/cli/main.py", "code = error.exit_code", "code = 1", "tests/cli/test_mistakes.py"),
    Mutant("vpcodec/cli/messages.py", "if not self.quiet:", "if True:", "tests/cli/test_messages.py"),
    Mutant(
        "vpcodec/config.py",
        "if type(value) is not base:",
        "if not isinstance(value, base):",
        "tests/test_config.py",
    ),
)

MUTANTS = (
    *TRAINING,
    *QUANTIZERS,
    *NETWORKS,
    *LOSSES_AND_METRICS,
    *DATA,
    *CONTAINER_AND_CODEC,
    *CORPUS_EVALUATION_AND_COMMAND,
)


def copy_checkout(folder: Path) -> None:
    """Copy what git tracks or would, models as a link, because they are large and no mutant changes them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in map(os.fsdecode, filter(None, listed.split(b"\0"))):
        if (ROOT / name).is_file() and not name.startswith("models/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "models").symlink_to(ROOT / "models")


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Exit code of pytest in a copy, and its last line. Nothing compiled is kept: two mutants may look alike to it."""
    shared = os.environ.get("VPCODEC_SHARED") or str(ROOT.parent / "shared")
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "VPCODEC_SHARED": shared}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return FAILED, "still running"
    return done.returncode, (done.stdout.strip() or done.stderr.strip()).rpartition("\n")[2]


def survivors(mutants: Sequence[Mutant]) -> list[str]:
    """Try each mutant, printing what became of it; returns one line for each that no test noticed."""
    found = []
    with tempfile.TemporaryDirectory(prefix="vpcodec-mutants-") as scratch:
        folder = Path(scratch)
        copy_checkout(folder)
        code, said = run_tests(folder, sorted({test for mutant in mutants for test in mutant.tests.split()}))
        if code:
            return [f"the tests fail without any mutant: {said}"]
        for mutant in mutants:
            path = folder / mutant.file
            whole = path.read_text(encoding="utf-8")
            path.write_text(whole.replace(mutant.text, mutant.replacement), encoding="utf-8")
            code, said = run_tests(folder, mutant.tests.split())
            path.write_text(whole, encoding="utf-8")
            verdict = {0: "SURVIVED", FAILED: "noticed"}.get(code, f"NOT RUN (exit code {code})")
            print(f"{verdict}  {mutant}  [{said}]", flush=True)
            if code != FAILED:
                found.append(f"{verdict}  {mutant}")
    return found


def main(words: Sequence[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not words or any(word in str(mutant) for word in words)]
    alive = survivors(chosen)
    print(f"{len(chosen)} mutants, {len(alive)} not noticed", *alive, sep="\n")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
