"""The simulated stimuli: `python -m tgsage.neural_data.simulation.contact_sheet docs/hvm-contact-sheet.png`.

One row per category: its 8 objects at variation 0, then the first 4 at variation 3 and the last 4 at variation 6.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...rsa.io.storage import replacing
from .images import hvm_images

MARGIN, GAP, GREYS = 64, 6, 48  # pixels for words, between images, and shades kept (so that the file stays small)


def contact_sheet(path: str | Path) -> None:
    """Write the picture as PNG."""
    stimuli = hvm_images(per_object=(1, 1, 1))
    table = stimuli.table
    rows = []
    for category in dict.fromkeys(table["category_name"].tolist()):
        mine = [np.flatnonzero((table["category_name"] == category) & (table["variation"] == v)) for v in (0, 3, 6)]
        rows.append((category, [*mine[0], *mine[1][:4], *mine[2][4:]]))
    size = stimuli[0].width
    steps = [MARGIN + i * size + GAP * ((i >= 8) + (i >= 12)) for i in range(17)]
    sheet = Image.new("L", (steps[-1], 16 + len(rows) * size), 255)
    draw = ImageDraw.Draw(sheet)
    for title, column in (("variation 0", 0), ("variation 3", 8), ("variation 6", 12)):
        draw.text((steps[column], 2), title, fill=0)
    for i, (category, chosen) in enumerate(rows):
        draw.text((4, 16 + i * size + size // 2 - 6), category, fill=0)
        for left, k in zip(steps, chosen, strict=False):
            sheet.paste(stimuli[int(k)], (left, 16 + i * size))
    with replacing(path) as temporary:
        sheet.quantize(GREYS).save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    contact_sheet(sys.argv[1])
