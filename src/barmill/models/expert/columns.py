"""Names of what the experts say; they load nothing."""

from decimal import Decimal


def level_column(output: str, level: float) -> str:
    """Name of the column that holds the quantile of a level: sl_kATR_q70."""
    percent = f"{Decimal(repr(level)).scaleb(2).normalize():f}"
    return f"{output}_q{percent.zfill(2)}"
