"""How the demo is shown where there is no terminal: plain lines, or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from ..output import counted, say, shade, show_json

__all__ = ["Event", "JsonView", "PlainView", "View", "told"]

Event = Mapping[str, Any]


class View:
    """Shows events as they come; entered before the first, left after the last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Show one event."""
        raise NotImplementedError


class JsonView(View):
    """A JSON object a line."""

    def show(self, event: Event) -> None:
        """Write one event."""
        show_json(event)


class PlainView(View):
    """A line of text an event."""

    def __init__(self) -> None:
        self._breaking = False

    def show(self, event: Event) -> None:
        """Write what an event is in words."""
        if event["event"] == "scene":
            self._breaking = False
        elif event["event"] == "healed" and not self._breaking:
            self._breaking = True
            say("now a second process breaks them, one after the other:")
        for line in told(event):
            say(line)


def told(event: Event) -> list[str]:
    """An event in words; none for what needs none."""
    match event["event"]:
        case "ready":
            where = f"{event['user']}; Linux {event['kernel']}; {event['backend']}"
            return [
                shade(f"linx demo, in namespaces of its own ({where})", bold=True),
                "nothing that it does reaches the machine",
            ]
        case "desired":
            return ["", f"desired: {event['text']}"]
        case "applied":
            return ["  " + shade(event["text"], "green")]
        case "waiting" | "skipped" as state:
            return ["  " + shade(f"{state}: {event['key']}: {event['reason']}", "yellow")]
        case "failed" | "error":
            return ["  " + shade(f"failed: {event['text']}", "red")]
        case "pass":
            changes = counted(event["changes"], "change")
            return [f"one pass made {changes} in {event['pass_ms']:.1f} ms"]
        case "quiet":
            writes = counted(event["writes"], "write")
            return [f"a pass that has nothing to do: {writes}, {event['pass_ms']:.1f} ms"]
        case "arrived":
            link, key = event["link"], event["key"]
            return [f"the link {link} appears: {key} is set within {event['latency_ms']:.1f} ms"]
        case "healed":
            return ["  " + _healed(event)]
        case "summary":
            return ["", *_summary(event)]
        case "machine":
            return [_machine(event)]
    return []


def _healed(event: Event) -> str:
    what = f"{event['key']} was {event['how']}: "
    if event["latency_ms"] is None:
        return shade(f"{what}not healed", "red")
    return what + shade(f"{event['value']} again after {event['latency_ms']:.2f} ms", "green")


def _summary(event: Event) -> list[str]:
    if not event["heals"]:
        return [shade("nothing was healed", "red")]
    line = (
        f"{counted(event['heals'], 'heal')}, median {event['median_ms']:.2f} ms, "
        f"slowest {event['max_ms']:.2f} ms, as the breaker saw it"
    )
    lines = [shade(line, "green", bold=True)]
    if event["unhealed"]:
        lines.append(shade(f"{event['unhealed']} did not heal in time", "red"))
    writes = counted(event["quiet_writes"], "write")
    return [*lines, f"passes that had nothing to do: {writes}"]


def _machine(event: Event) -> str:
    looked = f"{counted(event['sysctls'], 'sysctl')} and {counted(event['links'], 'link')}"
    if event["changed"]:
        changed = ", ".join(event["changed"])
        return shade(f"this machine was changed meanwhile, by somebody else: {changed}", "yellow")
    return f"this machine is as it was: its own {looked}, before and after"
