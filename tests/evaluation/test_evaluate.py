"""An evaluation measures every item, names what fails, and goes on where it was interrupted."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.conftest import MuLaw, photo
from tests.inception import save_averages
from vpcodec.errors import ConfigError, InputError
from vpcodec.evaluation.datasets import Item, open_dataset
from vpcodec.evaluation.evaluate import Measures, evaluate
from vpcodec.evaluation.results import Failure, Figures, from_json, pack_tokens, unpack_tokens
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.evaluation.signals import SIGNALS, read_image, read_speech
from vpcodec.evaluation.summary import estimate, markdown_table
from vpcodec.metrics.usage import Usage
from vpcodec.processes import Pool

QUICK = ["si_sdr", "mel_distance"]


def lengths(items: Sequence[Item]) -> set[int]:
    """Samples of recordings, which tell the ones of the data set apart."""
    return {len(read_speech(item.path)) for item in items}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "results" / "items.jsonl"


def test_every_item_is_measured_with_every_candidate(speech, log):
    results = evaluate(speech, [MuLaw(8), MuLaw(4)], log, metrics=QUICK)
    fine, coarse = (figures.metrics["si_sdr"] for figures in results.summary.candidates)
    assert [(row.item, row.candidate) for row in results.rows[:2]] == [
        ("clip0.wav", "mulaw-8"),
        ("clip0.wav", "mulaw-4"),
    ]
    assert len(results.rows) == 10
    assert fine.mean > coarse.mean + 10
    assert fine.low <= fine.mean <= fine.high
    assert fine.items == 4


@pytest.mark.parametrize("interrupted", [False, True])
def test_equal_file_names_in_two_folders_are_two_items(interrupted, log, tmp_path):
    for number, folder in enumerate(("n01440764", "n01443537")):
        path = tmp_path / "val" / folder / "a.JPEG"
        path.parent.mkdir(parents=True)
        photo(300, 300, number).save(path, "JPEG")
    dataset = open_dataset("imagenet", tmp_path)
    codec = parse_rival("jpeg:q10", "image")
    for _ in range(2 if interrupted else 1):
        results = evaluate(dataset, [codec], log, metrics=["psnr"])
        log.write_text("".join(log.read_text().splitlines(keepends=True)[:1]))
    rows = {row.item: row for row in results.rows}
    assert list(rows) == ["val/n01440764/a.JPEG", "val/n01443537/a.JPEG"]
    for item in dataset.items:  # each row is that of its own photo
        signal = read_image(item.path, dataset.side)
        assert rows[item.name].size == len(codec.encode(signal))
    assert len({row.values["psnr"] for row in results.rows}) == 2
    assert results.summary.total_extent == 2 * 256 * 256


def test_bitrates_are_those_of_names_of_counts_and_of_the_disk(speech, log):
    results = evaluate(speech.sample(4), [MuLaw(4)], log, metrics=QUICK)
    rate, codes = results.summary.candidates[0].bitrate, results.summary.candidates[0].codes
    assert rate.unit == "kbit/s"
    assert rate.nominal == 64  # 16,000 tokens of 4 bits a second
    assert rate.file.mean == 128  # each in a byte
    assert rate.entropy == pytest.approx(16 * codes.entropy_bits, abs=1e-4)
    assert codes.used + codes.dead == 16
    assert codes.tokens == sum(row.size for row in results.rows)


def test_cvu_and_entropy_are_shown_with_the_tokens_counted_and_not_below_four_a_code(speech, log):
    results = evaluate(speech.sample(4), [MuLaw(8)], log, metrics=QUICK)
    (figures,) = results.summary.candidates
    codes = figures.codes

    def shown(figures: Figures) -> dict[str, str]:
        lines = markdown_table("speech", [figures]).splitlines()
        head, row = (re.split(r" *\| *", line) for line in (lines[0], lines[2]))
        return dict(zip(head, row, strict=True))

    assert shown(figures)["tokens"] == f"{codes.tokens:,}"
    assert shown(figures)["CVU"] == f"{codes.cvu_corrected:.4f}"
    # 16,000 tokens a second
    assert float(shown(figures)["entropy (kbit/s)"]) == pytest.approx(16 * codes.entropy_bits_corrected, abs=5e-4)
    few = replace(figures, codes=Usage.of(np.arange(3 * 256) % 256, 256).figures())
    assert shown(few)["tokens"] == "768"
    assert "CVU" not in shown(few)  # a column without any value is left out
    assert "entropy (kbit/s)" not in shown(few)


def test_what_fails_is_counted_under_its_name_and_leaves_the_rest_alone(speech, log):
    results = evaluate(speech, [MuLaw(8)], log, metrics=QUICK)
    assert results.summary.candidates[0].failures == {"encode": Failure(1, {"cannot encode silence": 1})}
    assert results.rows[-1].failures == {"encode": "cannot encode silence"}
    assert results.failures() == 1
    assert results.reasons(3) == ["silence.wav: cannot encode silence (mulaw-8, encode)"]


def test_a_damaged_file_is_named_without_its_folder(images, log):
    results = evaluate(images, [parse_rival("jpeg:q50", "image")], log, metrics=["psnr", "ssim"])
    (reason,) = results.summary.candidates[0].failures["read"].reasons
    assert reason.startswith("torn.png: ")
    assert results.summary.candidates[0].metrics["psnr"].items == 4


def test_a_missing_metric_is_said_and_the_others_are_measured(images, log, monkeypatch, tmp_path):
    monkeypatch.setenv("VPCODEC_LPIPS", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    results = evaluate(images, [parse_rival("jpeg:q50", "image")], log)
    assert set(results.summary.unavailable) == {"lpips_vgg", "lpips_alex", "lpips_squeeze"}
    assert "VPCODEC_LPIPS" in results.summary.unavailable["lpips_alex"]
    assert results.summary.metrics() == ["psnr", "ssim"]


def test_an_interrupted_run_goes_on_where_it_was(speech, log, tmp_path):
    whole = evaluate(speech, [MuLaw(8)], log, metrics=QUICK)
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], lines[2][:40]]))
    codec = MuLaw(8)
    again = evaluate(speech, [codec], log, metrics=QUICK)
    # Kept were the silent one, which failed before any was measured, and the first.
    assert set(codec.encoded) == lengths(speech.items[1:4])
    assert again.summary.candidates[0].metrics == whole.summary.candidates[0].metrics


def test_a_rerun_gives_the_same_files(speech, log, tmp_path):
    texts = []
    for name in ("first", "second"):
        results = evaluate(speech, [MuLaw(8), MuLaw(4)], log, metrics=QUICK)
        results.write_json(tmp_path / f"{name}.json")
        results.write_csv(tmp_path / f"{name}.csv")
        texts.append([(tmp_path / f"{name}.{suffix}").read_text() for suffix in ("json", "csv")])
    assert texts[0] == texts[1]


def test_what_a_dead_process_measured_is_tried_again_in_the_next_run(speech, log, monkeypatch):
    with monkeypatch.context() as deadly:
        deadly.setattr(Pool, "run", lambda self, calls: [(call, None) for call in calls])
        dead = evaluate(speech, [MuLaw(8)], log, metrics=QUICK, jobs=1).summary
    assert dead.candidates[0].failures["si_sdr"].count == 4
    assert evaluate(speech, [MuLaw(8)], log, metrics=QUICK).summary.candidates[0].metrics["si_sdr"].items == 4


def test_results_of_another_version_are_not_taken_up(speech, log):
    evaluate(speech, [MuLaw(8)], log, metrics=QUICK)
    retrained = MuLaw(8)
    retrained.identity = "2"
    evaluate(speech, [retrained], log, metrics=QUICK)
    assert set(retrained.encoded) == lengths(speech.items)


def test_results_of_another_version_of_the_program_are_not_taken_up(speech, log, monkeypatch):
    evaluate(speech, [MuLaw(8)], log, metrics=QUICK)
    monkeypatch.setattr("vpcodec.evaluation.evaluate.__version__", "9")
    codec = MuLaw(8)
    evaluate(speech, [codec], log, metrics=QUICK)
    assert set(codec.encoded) == lengths(speech.items)


def test_json_and_csv_carry_the_same_numbers(speech, log, tmp_path):
    results = evaluate(speech, [MuLaw(8), MuLaw(4)], log, metrics=QUICK)
    results.write_json(tmp_path / "out.json")
    results.write_csv(tmp_path / "out.csv")
    written = json.loads((tmp_path / "out.json").read_text())
    with (tmp_path / "out.csv").open(newline="") as table:
        lines = list(csv.DictReader(table))
    assert len(written["rows"]) == 10
    assert [line["candidate"] for line in lines] == ["mulaw-8", "mulaw-4"]
    for line, figures in zip(lines, from_json(list[Figures], written["candidates"]), strict=True):
        assert figures in results.summary.candidates
        assert float(line["si_sdr_mean"]) == figures.metrics["si_sdr"].mean
        assert float(line["file_high"]) == figures.bitrate.file.high
        assert float(line["cvu"]) == figures.codes.cvu


def test_a_matched_rival_gets_no_more_bytes_than_the_first_candidate(images, log):
    candidates = [parse_rival("jpeg:q60", "image"), parse_rival("webp", "image")]
    results = evaluate(images, candidates, log, metrics=["psnr"])
    coded = [row for row in results.rows if row.size]
    pairs = list(zip(coded[::2], coded[1::2], strict=True))
    assert len(pairs) == 4
    assert all(webp.size <= jpeg.size for jpeg, webp in pairs)
    assert [each.matched for each in results.summary.candidates] == [None, "jpeg:q60"]


def test_candidates_of_the_wrong_kind_or_with_equal_names_are_refused(images, speech, log):
    with pytest.raises(ConfigError, match="is for speech"):
        evaluate(images, [MuLaw(8)], log)
    with pytest.raises(ConfigError, match="different names"):
        evaluate(speech, [MuLaw(8), MuLaw(8)], log)
    with pytest.raises(ConfigError, match="no metric 'psnr'"):
        evaluate(speech, [MuLaw(8)], log, metrics=["psnr"])


def test_decoded_speech_may_be_a_little_shorter_but_not_much(speech, log):
    class Short(MuLaw):
        def decode(self, content):
            return super().decode(content)[: -self.missing]

    codec = Short(8)
    codec.missing = 1600
    assert evaluate(speech.sample(1), [codec], log, metrics=QUICK).failures() == 0
    codec.missing, codec.identity = 1601, "shorter"
    assert set(evaluate(speech.sample(1), [codec], log, metrics=QUICK).summary.candidates[0].failures) == {"decode"}


@pytest.mark.parametrize(
    ("kind", "decoded", "why"),
    [
        ("speech", np.full(100, np.nan, np.float32), "finite"),
        ("image", np.zeros((8, 9, 3), np.uint8), r"\[8, 9, 3\], the original is \[8, 8, 3\]"),
        ("image", np.zeros((8, 8, 3), np.float32), "float32 pixels"),
    ],
)
def test_what_cannot_be_compared_with_the_original_is_refused(kind, decoded, why):
    original = {"speech": np.zeros(100, np.float32), "image": np.zeros((8, 8, 3), np.uint8)}[kind]
    with pytest.raises(InputError, match=why):
        SIGNALS[kind].fitted(decoded, original)


def test_results_that_cannot_be_written_are_an_error_in_one_line(speech, log, tmp_path):
    results = evaluate(speech.sample(1), [MuLaw(8)], log, metrics=QUICK)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"out\.json: there is no folder "):
        results.write_json(tmp_path / "file" / "out.json")


def test_images_of_several_sizes_are_measured():
    random = np.random.default_rng(0)
    pairs = []
    for size in ((16, 20, 3), (20, 16, 3), (16, 20, 3), (8, 8, 3)):
        picture = random.integers(0, 256, size, dtype=np.uint8)
        pairs.append((picture, picture))
    scores = Measures("image", ["psnr", "ssim"]).measure(pairs)
    assert [score.values.get("ssim") for score in scores[:3]] == pytest.approx([1, 1, 1])
    assert "at least 11 pixels" in scores[3].failures["ssim"]


@pytest.mark.slow
def test_worker_processes_measure_what_this_process_measures():
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    pairs = [(noise + 0.01, noise), (noise * 0.5 + 0.001, noise)]
    with Measures("speech", QUICK, jobs=1) as apart:
        assert apart.measure(pairs) == Measures("speech", QUICK).measure(pairs)


def test_packed_tokens_keep_their_histogram():
    tokens = np.array([[5, 0, 5], [1023, 7, 0]])
    assert unpack_tokens(pack_tokens(tokens)).tolist() == [0, 0, 5, 5, 7, 1023]
    assert unpack_tokens(pack_tokens(tokens[:0])).tolist() == []


def test_an_interval_holds_the_mean_and_narrows_with_more_items():
    few, many = ([0.0, 1.0] * count for count in (5, 500))
    assert estimate(few).mean == 0.5
    assert estimate(few).low < estimate(many).low < 0.5 < estimate(many).high < estimate(few).high
    assert estimate(few) == estimate(few)


def test_a_weighted_mean_is_that_of_the_sums():
    assert estimate([1.0, 4.0], weights=[2.0, 1.0]).mean == 2.0


def test_rfid_is_measured_over_all_items_and_taken_up_again(images, log, tmp_path, monkeypatch):
    monkeypatch.setenv("VPCODEC_INCEPTION", save_averages(tmp_path))
    candidates = [parse_rival("jpeg:q95", "image"), parse_rival("jpeg:q5", "image")]
    first = evaluate(images, candidates, log, metrics=["psnr", "rfid"])
    good, bad = (each.set_metrics["rfid"] for each in first.summary.candidates)
    assert 0 <= good < bad
    again = evaluate(images, candidates, log, metrics=["psnr", "rfid"])
    assert again.summary.candidates == first.summary.candidates
    assert "rFID" in markdown_table("image", first.summary.candidates)
    assert "features" not in first.rows[0].shown()


def test_rfid_is_not_measured_unless_asked_for_and_says_what_it_lacks(images, log, tmp_path, monkeypatch):
    monkeypatch.setenv("VPCODEC_INCEPTION", str(tmp_path / "nothing"))
    candidates = [parse_rival("jpeg:q60", "image")]
    assert "rfid" not in evaluate(images, candidates, log, metrics=None).summary.unavailable
    results = evaluate(images, candidates, log, metrics=["psnr", "rfid"])
    assert "VPCODEC_INCEPTION" in results.summary.unavailable["rfid"]
    assert results.summary.candidates[0].metrics["psnr"].items == 4
