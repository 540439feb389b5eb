"""The smallest useful function: it greets whoever the event names."""

import platform

# Code outside the handler runs once per execution environment.
calls = 0


def handler(event, context):
    global calls
    calls += 1
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {
        "greeting": f"Hello, {name}!",
        "python": platform.python_version(),
        "calls_in_this_environment": calls,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }
