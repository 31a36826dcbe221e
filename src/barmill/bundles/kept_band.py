"""What an adaptive band has learned, in a file: a server that is started again goes on where it stopped."""

from dataclasses import dataclass
from pathlib import Path

from barmill.artefacts import canonical_json, write_bytes
from barmill.bundles.bundle import Bundle
from barmill.bundles.stream import BundleStream
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleError


@dataclass(frozen=True, slots=True)
class KeptBand:
    """A file that holds `BundleStream.band_state`, replaced as a whole."""

    path: Path

    def stream(self, bundle: Bundle) -> BundleStream:
        """A stream of `bundle` that goes on from the file, or begins anew where there is none yet.

        Raises: BundleError for a bundle without a band that moves, or a file that is something else or of another bundle.
        """
        if bundle.walk() is None:
            raise BundleError(f"bundle {bundle.manifest.name}", "has no band that moves", mend="Leave --band-state out.")
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return bundle.stream()
        except OSError as error:
            raise BundleError(str(self.path), f"cannot be read: {error.strerror}") from error
        return bundle.stream(parse_canonical(data, str(self.path)))

    def keep(self, stream: BundleStream) -> None:
        """Replace the file by what the band has become. Raises StorageError; then the old file is untouched."""
        write_bytes(self.path, canonical_json(stream.band_state()))


__all__ = ["KeptBand"]
