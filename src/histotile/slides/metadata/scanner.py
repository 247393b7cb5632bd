"""Which scanner made a slide, as its file says."""

from collections.abc import Mapping

# What names the machine or its model in the properties of each format, most telling first.
_NAMES = (
    "aperio.ScanScope ID",
    "hamamatsu.Product",
    "hamamatsu.Macro.S/N",
    "leica.device-model",
    "mirax.GENERAL.SLIDE_SCANNER_ID",
    "philips.DICOM_DEVICE_SERIAL_NUMBER",
    "ventana.UnitNumber",
    "dicom.ManufacturerModelName",
    "tiff.Model",
)
_MAKERS = ("philips.DICOM_MANUFACTURER", "dicom.Manufacturer", "tiff.Make")


def name_scanner(properties: Mapping[str, str], vendor: str | None) -> str | None:
    """A name of the scanner, e.g. "aperio SS1302"; None if the file does not say.

    Args:
        properties: As OpenSlide gives them.
        vendor: The format as OpenSlide names it, for scanners whose maker does not stand there.
    """
    found = next((properties[key].strip() for key in _NAMES if properties.get(key)), "")
    maker = next((properties[key].strip() for key in _MAKERS if properties.get(key)), vendor or "")
    return f"{maker} {found}".strip() if found else None
