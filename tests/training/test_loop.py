"""Training runs: what they leave behind, and that a stopped one goes on as if nothing had happened."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from vpcodec.errors import ConfigError, DataError
from vpcodec.quantizers import QUANTIZERS
from vpcodec.recipe import load_recipe, override
from vpcodec.registry import ModelFolder, list_models
from vpcodec.training.loop import Run, Trainer, train
from vpcodec.training.recipes import find_recipe, recipe_names


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few recordings and pictures of pure chance: what is trained here is the machinery."""
    folder = tmp_path_factory.mktemp("media")
    random = np.random.default_rng(0)
    for index in range(3):
        soundfile.write(folder / f"{index}.wav", random.normal(0, 0.1, 16_000), 16_000)
        Image.fromarray(random.integers(0, 256, (96, 96, 3), np.uint8)).save(folder / f"{index}.png")
    return folder


def test_there_is_a_tiny_recipe_for_every_quantizer_and_signal() -> None:
    assert {f"{kind}-{method}-tiny" for kind in ("speech", "image") for method in QUANTIZERS} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_can_be_read(name: str) -> None:
    assert find_recipe(name).kind == name.split("-")[0]


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_every_released_model_was_trained_by_the_recipe_of_its_name(model: ModelFolder) -> None:
    assert find_recipe(model.name) == load_recipe(model.path / "recipe.toml")


@pytest.mark.parametrize("method", QUANTIZERS)
@pytest.mark.parametrize("kind", ["speech", "image"])
def test_every_quantizer_trains_into_a_model_that_encodes(media: Path, tmp_path: Path, kind: str, method: str) -> None:
    recipe = override(find_recipe(f"{kind}-{method}-tiny"), ["training.steps=8"])
    folder = train(recipe, Run(data=media, out=tmp_path / "model", valid=media, device="cpu"))
    model = ModelFolder(folder)
    autoencoder = model.autoencoder()
    signal = torch.zeros(1, 960) if kind == "speech" else torch.zeros(1, 40, 40, 3)
    tokens = autoencoder.encode(signal)
    assert tokens.max() < model.facts.vocabularies[0]
    assert autoencoder.decode(tokens).isfinite().all()
    assert model.facts.graphs
    assert (folder / "samples" / ("last.wav" if kind == "speech" else "last.png")).is_file()


@pytest.mark.parametrize("name", ["speech-fsp-tiny", "speech-vp-tiny", "image-ema-tiny"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(media: Path, tmp_path: Path, name: str) -> None:
    recipe = override(find_recipe(name), ["training.steps=10"])
    whole = Trainer(recipe, Run(data=media, out=made(tmp_path / "whole"), device="cpu"))
    whole.train()
    stopped = Trainer(recipe, Run(data=media, out=made(tmp_path / "stopped"), device="cpu"), interrupt_after(4))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    stopped.save()
    resumed = Trainer(recipe, Run(data=media, out=tmp_path / "stopped", resume=True, device="cpu"))
    resumed.train()
    for one, other in ((whole.model, resumed.model), (whole.average, resumed.average)):
        for (key, value), same in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            assert torch.equal(value, same), key


def test_a_run_that_is_killed_in_its_first_step_can_be_resumed(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("speech-fsp-tiny"), ["training.steps=2"])
    with pytest.raises(MemoryError):
        train(recipe, Run(data=media, out=tmp_path / "model", device="cpu"), fail_at(1))
    longer = override(recipe, ["training.steps=3"])
    with pytest.raises(MemoryError):
        train(longer, Run(data=media, out=tmp_path / "model", device="cpu", resume=True), fail_at(1))
    assert load_recipe(tmp_path / "model" / "recipe.toml") == longer
    train(longer, Run(data=media, out=tmp_path / "model", device="cpu", resume=True))
    assert ModelFolder(tmp_path / "model").facts.steps == 3


def test_the_log_goes_to_the_last_step_and_notes_each_once(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("speech-fsp-tiny"), ["training.steps=23"])
    folder = made(tmp_path / "run")
    with pytest.raises(MemoryError):  # twenty steps are in the log, none of them in a checkpoint
        Trainer(recipe, Run(data=media, out=folder, device="cpu"), fail_at(21)).train()
    assert steps_in(folder / "log.csv") == [20]
    Trainer(recipe, Run(data=media, out=folder, device="cpu", resume=True)).train()
    assert steps_in(folder / "log.csv") == [20, 23]


def test_until_it_is_finished_again_a_started_run_is_not_judged_by_old_codes(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("speech-vp-tiny"), ["training.steps=4"])
    first = train(recipe, Run(data=media, out=tmp_path / "first", device="cpu"))
    second = Run(data=media, valid=media, out=made(tmp_path / "second"), start=first, device="cpu")
    trainer = Trainer(recipe, second)
    assert not trainer.model.quantizer.ready
    trainer.train()
    assert trainer.average.quantizer.ready


def test_a_run_does_not_overwrite_another(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("speech-fsp-tiny"), ["training.steps=1"])
    train(recipe, Run(data=media, out=tmp_path / "model", device="cpu"))
    with pytest.raises(ConfigError, match="already holds a run"):
        train(recipe, Run(data=media, out=tmp_path / "model", device="cpu"))
    changed = override(recipe, ["network.width=48"])
    with pytest.raises(ConfigError, match="another recipe"):
        train(changed, Run(data=media, out=tmp_path / "model", resume=True, device="cpu"))


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no speech files"):
        train(find_recipe("speech-fsp-tiny"), Run(data=made(tmp_path / "empty"), out=tmp_path / "model", device="cpu"))


def test_too_little_data_for_the_codes_is_found_before_training(media: Path, tmp_path: Path) -> None:
    run = Run(data=media, out=tmp_path / "model", device="cpu")
    with pytest.raises(DataError, match=r"3 recordings, .* hours: 500 positions are too few for 512 codes"):
        train(override(find_recipe("speech-vp-tiny"), ["quantizer.rates=[16, 512]"]), run)
    with pytest.raises(DataError, match="fitting_positions: 100 positions are too few for 256 codes"):
        train(override(find_recipe("image-vq-tiny"), ["training.fitting_positions=100"]), run)
    assert not (run.out / "recipe.toml").exists()


def test_a_time_budget_ends_the_run(media: Path, tmp_path: Path) -> None:
    trainer = Trainer(find_recipe("speech-fsp-tiny"), Run(data=media, out=made(tmp_path / "out"), minutes=0.02))
    trainer.train()
    assert trainer.step > 0
    assert trainer.seconds >= 1.2


def fail_at(last: int):  # type: ignore[no-untyped-def]
    def report(step: int, progress: float, loss: float) -> None:
        if step == last:
            raise MemoryError

    return report


def steps_in(log: Path) -> list[int]:
    return [int(line.partition(",")[0]) for line in log.read_text().splitlines()[1:]]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def interrupt_after(steps: int):  # type: ignore[no-untyped-def]
    def report(step: int, progress: float, loss: float) -> None:
        if step == steps:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("name", ["speech-vp-tiny", "image-fsp-tiny"])
def test_the_decoder_alone_can_be_trained_on_real_codes(media: Path, tmp_path: Path, name: str) -> None:
    recipe = override(find_recipe(name), ["training.steps=8"])
    before = ModelFolder(train(recipe, Run(data=media, out=tmp_path / "first", device="cpu"))).autoencoder()
    stage = override(recipe, ["training.decoder_only=true"])
    folder = train(stage, Run(data=media, out=tmp_path / "second", start=tmp_path / "first", device="cpu"))
    after = ModelFolder(folder).autoencoder()
    shape = (1, 9600) if recipe.kind == "speech" else (1, 80, 80, 3)
    signal = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    tokens = before.encode(signal)
    assert torch.equal(after.encode(signal), tokens)
    assert not torch.equal(after.decode(tokens), before.decode(tokens))


def test_the_decoder_alone_needs_a_finished_model(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("speech-vp-tiny"), ["training.decoder_only=true"])
    with pytest.raises(ConfigError, match="codes are fitted"):
        train(recipe, Run(data=media, out=tmp_path / "model", device="cpu"))


def test_a_stage_of_the_decoder_alone_can_be_resumed(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("speech-vp-tiny"), ["training.steps=6"])
    first = train(recipe, Run(data=media, out=tmp_path / "first", device="cpu"))
    stage = override(recipe, ["training.decoder_only=true"])
    whole = Trainer(stage, Run(data=media, out=made(tmp_path / "whole"), start=first, device="cpu"))
    moved: list[bool] = []
    whole.model.quantizer.register_forward_pre_hook(lambda module, given: moved.append(module.training))
    whole.train()
    assert moved == [False] * 6  # real codes are heard, not training's stand-in
    run = Run(data=media, out=made(tmp_path / "stopped"), start=first, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        Trainer(stage, run, interrupt_after(3)).train()
    resumed = Trainer(stage, Run(data=media, out=tmp_path / "stopped", resume=True, device="cpu"))
    resumed.train()
    for (key, value), same in zip(
        whole.average.state_dict().items(), resumed.average.state_dict().values(), strict=True
    ):
        assert torch.equal(value, same), key


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_move(media: Path, tmp_path: Path) -> None:
    recipe = override(find_recipe("image-fsp-tiny"), ["training.steps=50", "training.rate=1e30", "training.warmup=0"])
    run = Run(data=media, out=tmp_path / "model", device="cpu")
    with pytest.raises(DataError, match="not finite") as caught:
        train(recipe, run)
    assert "--resume --set training.matrix_rate=0.005 --set training.rate=5e+29" in str(caught.value)
    calm = override(recipe, ["training.rate=0.001", "training.steps=3"])
    assert ModelFolder(train(calm, replace(run, resume=True))).facts.steps == 3
