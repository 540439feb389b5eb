"""Makes a thumbnail: an image comes in as base64, a JPEG that fits the asked-for box goes out as base64.

Pillow is a real third-party package with native code; `build.sh` puts it beside this file.
"""

import base64
import io

from PIL import Image, ImageOps

SIZE_PX_DEFAULT = 128


def handler(event, context):
    size_px = int(event.get("size_px", SIZE_PX_DEFAULT))
    source = Image.open(io.BytesIO(base64.b64decode(event["image"])))
    thumbnail = ImageOps.exif_transpose(source).convert("RGB")
    thumbnail.thumbnail((size_px, size_px))
    output = io.BytesIO()
    thumbnail.save(output, "JPEG", quality=85)
    return {
        "image": base64.b64encode(output.getvalue()).decode(),
        "width_px": thumbnail.width,
        "height_px": thumbnail.height,
        "source_width_px": source.width,
        "source_height_px": source.height,
    }
