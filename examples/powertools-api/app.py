"""A small HTTP API on Powertools for AWS Lambda, for a function URL. Other doors need another class of resolver alone."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import CORSConfig, LambdaFunctionUrlResolver
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, NotFoundError

logger = Logger(service="temperatures")
app = LambdaFunctionUrlResolver(cors=CORSConfig(allow_origin="*"))
SCALES = {"celsius": lambda c: c, "fahrenheit": lambda c: c * 9 / 5 + 32, "kelvin": lambda c: c + 273.15}


@app.get("/scales")
def scales():
    return sorted(SCALES)


@app.get("/celsius/<degrees>/in/<scale>")
def convert(degrees, scale):
    if scale not in SCALES:
        raise NotFoundError(f"there is no scale {scale}; GET /scales lists them")
    try:
        return {"scale": scale, "degrees": round(SCALES[scale](float(degrees)), 2)}
    except ValueError:
        raise BadRequestError(f"{degrees} is no number") from None


@logger.inject_lambda_context
def handler(event, context):
    return app.resolve(event, context)
