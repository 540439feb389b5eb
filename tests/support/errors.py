"""What a refused call says."""

import botocore.exceptions
import pytest


def error_of(call, **members):
    """(code, message, HTTP status) of a call that must be refused."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def refused(call, **members):
    """The message of a call that must be refused with InvalidParameterValueException."""
    code, message, status = error_of(call, **members)
    assert (code, status) == ("InvalidParameterValueException", 400), message
    return message
