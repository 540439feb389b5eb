"""What a refused call says."""

import botocore.exceptions
import pytest


def error_of(call, **members):
    """(code, message, HTTP status) of a call that must be refused."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]
