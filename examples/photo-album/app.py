"""A photograph is uploaded: its thumbnail appears in another bucket, and an event says so.

The handler is safe to run twice for one photograph, as everything behind S3 notifications has to be: the thumbnail's key follows
from the photograph's.
"""

import io
import json
import os
import urllib.parse

import boto3
from PIL import Image, ImageOps

THUMBNAILS = os.environ["THUMBNAILS"]
SIZE_PX = int(os.environ.get("SIZE_PX", "128"))

s3 = boto3.client("s3")
events = boto3.client("events")


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        photograph = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        thumbnail, width_px, height_px = shrink(photograph)
        thumbnail_key = f"{key}.jpg"
        s3.put_object(Bucket=THUMBNAILS, Key=thumbnail_key, Body=thumbnail, ContentType="image/jpeg")
        announce({
            "photograph": f"s3://{bucket}/{key}",
            "thumbnail": f"s3://{THUMBNAILS}/{thumbnail_key}",
            "width_px": width_px,
            "height_px": height_px,
        })


def shrink(photograph):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(photograph))).convert("RGB")
    image.thumbnail((SIZE_PX, SIZE_PX))
    output = io.BytesIO()
    image.save(output, "JPEG", quality=85)
    return output.getvalue(), image.width, image.height


def announce(detail):
    entry = {"Source": "photo-album", "DetailType": "Thumbnail Created", "Detail": json.dumps(detail)}
    answer = events.put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"the event was not taken: {answer['Entries']}")
