"""Tiny foundation models with random weights, written by their authors' own classes: what the hub would send, only small."""

import functools
import tempfile
from pathlib import Path


@functools.cache
def tiny_chronos() -> str:
    """A folder with a Chronos-Bolt of 165,000 parameters."""
    import torch
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    config = T5Config(
        d_model=32,
        d_kv=8,
        d_ff=128,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        vocab_size=2,
        feed_forward_proj="relu",
        is_encoder_decoder=True,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        initializer_factor=0.05,
        tie_word_embeddings=False,
    )
    config.chronos_config = {
        "context_length": 512,
        "prediction_length": 64,
        "input_patch_size": 16,
        "input_patch_stride": 16,
        "quantiles": [level / 10 for level in range(1, 10)],
        "use_reg_token": True,
    }
    config.chronos_pipeline_class = "ChronosBoltPipeline"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _written(ChronosBoltModelForForecasting(config))


@functools.cache
def tiny_timesfm() -> str:
    """A folder with a TimesFM 2.5 of one layer."""
    import torch
    from transformers import TimesFm2_5Config, TimesFm2_5ModelForPrediction

    config = TimesFm2_5Config(
        patch_length=32,
        context_length=512,
        horizon_length=128,
        num_hidden_layers=1,
        hidden_size=32,
        intermediate_size=32,
        head_dim=8,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _written(TimesFm2_5ModelForPrediction(config))


def _written(network) -> str:
    folder = tempfile.mkdtemp(prefix="barmill-tiny-")
    network.eval().save_pretrained(folder)
    return str(Path(folder))
