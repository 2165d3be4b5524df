"""Any image as 8-bit RGB: the conversion that all readers, preprocessing and network inputs share."""

import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RSAError, reason

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

SCREEN = 128  # grey level behind transparent pixels, as on the screens of the experiments
MAX_BYTES, MAX_PIXELS = 64 * 2**20, 64 * 2**20  # of one image
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by number of channels
_ORIENTATION = 0x0112  # EXIF tag


def as_rgb(image: Any) -> Any:
    """Convert an image to a PIL image in mode RGB, or a tensor of floats to a tensor (3, H, W).

    image: a PIL image of any mode, the path of an image file, or a tensor or array (C, H, W) with C = 1 (grey), 2
    (grey, alpha), 3 (RGB) or 4 (RGB, alpha) of floats in [0, 1], uint16, or other integers in [0, 255].

    Images are turned upright according to EXIF, transparent pixels show grey (128), and 16 bits are divided by 257 and
    rounded. Raises RSAError for values outside these ranges and for 32-bit images (modes I and F), whose white level is
    unknown.
    """
    image = plain(read_image(image) if isinstance(image, str | PathLike) else image)
    if hasattr(image, "convert"):
        return image if image.mode == "RGB" else image.convert("RGB")
    import torch  # checksums of images need none

    tensor = _as_tensor(image)
    if tensor.ndim != 3 or tensor.shape[0] not in _MODES:
        raise RSAError(f"an image tensor must have shape (1 to 4 channels, H, W), got {tuple(tensor.shape)}")
    floats = tensor.is_floating_point()
    if tensor.numel() and tensor.dtype not in (torch.uint8, torch.uint16, torch.bool):
        wide, most = (tensor, 1) if floats else (tensor.long(), 255)
        low, high = wide.min().item(), wide.max().item()
        if not 0 <= low <= high <= most:
            raise RSAError(f"an image of {tensor.dtype} must lie in [0, {most}], not [{low:g}, {high:g}]")
    if not floats:
        return as_rgb(_from_pixels(tensor))
    if len(tensor) in (2, 4):
        alpha = tensor[-1:]
        tensor = tensor[:-1] * alpha + (1 - alpha) * (SCREEN / 255)
    return tensor.expand(3, -1, -1)


def as_input(image: Any) -> "Tensor":
    """Convert an image to the input of a network without preprocess: RGB in [0, 1], (3, H, W), or floats as given."""
    import torch

    if not isinstance(image, str | PathLike) and not hasattr(image, "convert"):
        tensor = _as_tensor(image)
        if tensor.is_floating_point() or tensor.ndim != 3:
            return tensor
    return torch.from_numpy(np.asarray(as_rgb(image), np.float32).transpose(2, 0, 1) / 255)


def plain(image: Any) -> Any:
    """Make a PIL image upright, opaque and of mode L or RGB; anything else stays as it is. Raises as `as_rgb`."""
    if not hasattr(image, "convert"):
        return image
    from PIL import Image

    image = _upright(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):  # these have 16 bits
        deep = np.asarray(image).astype(np.uint32)
        grey = ((deep + 128) // 257).astype(np.uint8)
        grey[deep == image.info.get("transparency", -1)] = SCREEN
        return Image.fromarray(grey)
    if image.mode in ("I", "F"):
        raise RSAError(
            f"pixels of 32 bits (mode {image.mode}) have no known white; convert them to mode L or I;16, or to a "
            "tensor of floats in [0, 1]"
        )
    if image.has_transparency_data:
        whole = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (SCREEN,) * 3 + (255,)), whole).convert("RGB")
    try:
        return image if image.mode in ("L", "RGB") else image.convert("RGB")
    except ValueError as error:
        raise RSAError(f"an image of mode {image.mode} cannot be converted to RGB: {reason(error)}") from error


def read_image(file: str | PathLike[str] | bytes) -> "Image.Image":
    """Read a file, given by its path or its content, as an RGB image.

    Raises RSAError for a file that is missing, too large, of too many pixels, or not decodable by Pillow.
    """
    from PIL import Image

    content = file if isinstance(file, bytes) else read_bytes(Path(file))
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RSAError(f"{image.width} x {image.height} pixels are too many")
            upright: Image.Image = plain(image).convert("RGB")
            return upright
    except RSAError:
        raise
    except Exception as error:  # decoders raise many types of errors
        raise RSAError(reason(error)) from error


def read_bytes(path: Path) -> bytes:
    """Read the content of an image file. Raises RSAError if it is missing or too large."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RSAError(f"{size} bytes are too many for one image")
        return path.read_bytes()
    except OSError as error:
        raise RSAError(f"{path}: {error.strerror or error}") from error


def _upright(image: "Image.Image") -> "Image.Image":
    from PIL import ImageOps

    image.load()  # Pillow turns TIFF images itself, while loading
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
    except Exception:  # damaged EXIF data; the pixels may be fine
        turned = False
    return ImageOps.exif_transpose(image) if turned else image


def _as_tensor(image: Any) -> "Tensor":
    import torch

    if isinstance(image, np.ndarray):  # torch takes no foreign byte order, no negative strides, nothing read-only
        image = np.require(image, image.dtype.newbyteorder("="), ("C", "W"))
    return torch.as_tensor(image)


def _from_pixels(pixels: "Tensor") -> "Image.Image":
    """Make a PIL image of integer pixels (C, H, W)."""
    from PIL import Image

    values = pixels.permute(1, 2, 0).cpu().numpy()
    if values.dtype == np.bool_:
        values = values * np.uint8(255)
    if values.dtype == np.uint16:
        values = (values.astype(np.uint32) + 128) // 257
    values = np.ascontiguousarray(values.astype(np.uint8))
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
