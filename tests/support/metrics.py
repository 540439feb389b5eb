"""What the server tells about itself."""

import json


def metric(server, name, **labels):
    """The sum of a metric's series that have these labels."""
    total = 0.0
    for line in server.http("/metrics").read().decode().splitlines():
        if line.startswith(name + "{") or line.startswith(name + " "):
            if all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
    return total


def starts(server, how):
    """The cold starts that were made so: `spare`, `fork`, `copy` or `plain`."""
    return metric(server, "tindra_cold_starts_total", start=how)


def environments(server):
    """All execution environments, and the spares, which are `waiting`."""
    return json.load(server.http("/_tindra/environments"))["environments"]
