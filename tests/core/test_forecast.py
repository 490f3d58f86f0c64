"""The forecast against what models really hold."""

import pytest

from mi_core.errors import InputError
from mi_core.models import catalogue, forecast


def test_forecast_covers_the_parameters(architecture, tiny_folder, hf_model):
    parameters = sum(parameter.numel() for parameter in hf_model(architecture).parameters())
    forecasted = forecast.memory_bytes(tiny_folder(architecture))
    assert 4 * parameters <= forecasted <= 1.5 * 4 * parameters


def test_header_equals_safetensors(tiny_folder):
    from safetensors import safe_open

    file = tiny_folder("neox") / "model.safetensors"
    with safe_open(file, framework="pt") as stored:
        shapes = {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118
    assert {name: tensor["shape"] for name, tensor in forecast.header(file).items()} == shapes


def test_refusal_names_both_sizes():
    forecast.refuse_if_too_large("big", 1000, free=1000)
    with pytest.raises(InputError, match="big needs about 12.0 GB of memory and 8.0 GB is free: .* such as loupe-mini"):
        forecast.refuse_if_too_large("big", 12_000_000_000, free=8_000_000_000)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (12_000, "12 kB"), (550_000_000, "550 MB"), (2_470_000_000, "2.5 GB")]
)
def test_gigabytes(count, text):
    assert forecast.gigabytes(count) == text


def test_catalogue_sizes_cover_the_weights():
    for entry in catalogue.entries():
        assert entry.memory_bytes >= 4 * entry.parameters


def test_the_built_in_model_is_as_large_as_the_catalogue_says():
    entry = catalogue.find("loupe-mini")
    numbers = forecast.memory_bytes(entry.folder) / forecast.WORKING_ROOM / forecast.BYTES_PER_NUMBER
    assert numbers == pytest.approx(entry.parameters, rel=0.01)
