"""Which features of the plan a forecast reads: what must be sent to whoever forecasts from features."""

from barmill.bundles.ensemble_pipeline import EnsemblePipeline, Pipeline


def needed_features(pipeline: Pipeline) -> tuple[str, ...]:
    """Features that a forecast reads, in the plan's order: inputs, the unit of returns, the regimes of calibration, band and combiner.

    Of a model that sees the bars themselves, unit and regimes alone, which may be none.
    """
    read = _read_by(pipeline)
    return tuple(name for name in pipeline.names if name in read)


def _read_by(pipeline: Pipeline) -> set[str]:
    own = (pipeline.volatility and pipeline.volatility.feature, pipeline.band and pipeline.band.regime, pipeline.calibration.feature)
    read = {name for name in own if name is not None}
    if isinstance(pipeline, EnsemblePipeline):
        return read.union(pipeline.regimes, *(_read_by(member.pipeline) for member in pipeline.members))
    return read if pipeline.sees_bars else read.union(pipeline.input_names)


__all__ = ["needed_features"]
