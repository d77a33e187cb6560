"""PyTorch with fewer bits is compared with float32 whenever it is loaded."""

from __future__ import annotations

import pytest

from nlpcli.decoding.load import load_translator
from nlpcli.decoding.settings import EngineSettings, Quantization
from nlpcli.errors import RunFailed
from nlpcli.export import verify

from .conftest import GENTLY, Make


@pytest.mark.parametrize("quantization", ["bfloat16", "int8"])
def test_a_model_that_stays_itself_is_loaded(transformer: Make, quantization: Quantization) -> None:
    model = transformer(stirred=GENTLY)
    load_translator([model], engine=EngineSettings(engine="torch", workers=1, quantization=quantization)).close()


def test_a_model_that_becomes_another_is_refused(transformer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "ROUNDED", (1e-9, 1.0))
    model = transformer(stirred=GENTLY)
    with pytest.raises(RunFailed, match=r"with int8 .* is not the same model") as caught:
        load_translator([model], engine=EngineSettings(engine="torch", workers=1, quantization="int8"))
    assert caught.value.fix == "use --quantization float32"
