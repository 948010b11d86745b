"""Identifiers: time-sortable run ids, and the names people read.

A run id is a UUIDv7 (RFC 9562, section 5.7) written as 32 lower-case hex digits without dashes, so ids
sort by time of creation and MLflow clients take them as they are.
"""

from __future__ import annotations

import re
import secrets
import time

RUN_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)

_ADJECTIVES = (
    "amber able bold brave bright brisk calm clear clever cool coral crisp daring deep eager fair fast "
    "fine fond fresh gentle glad golden good grand great green happy hardy honest jolly keen kind light "
    "lively loyal lucky mellow merry mild mighty neat nimble noble olive open patient plucky polite "
    "prime proud pure quick quiet ready rosy royal sharp shiny silent silver simple sleek smart smooth "
    "snappy solid spry steady still strong sunny swift tender tidy true upbeat vivid warm wise witty "
    "young zesty"
).split()
_NOUNS = (
    "acorn anchor apple arrow aspen badger basil bay beacon bear beech birch bird bloom boat breeze "
    "bridge brook canyon cedar cherry cliff cloud clover comet coral crane creek daisy dawn deer delta "
    "dove dune eagle echo ember falcon fern field finch fjord flame forest fox garden glade grove "
    "harbor hare hawk hazel heron hill island ivy jade lake lark leaf lemon lily lion lotus lynx maple "
    "meadow mesa moon moss nut oak ocean olive orchid otter owl panda path peach pearl pebble pine "
    "planet plum pond poppy quail quartz rabbit rain raven reef ridge river robin rose sail seal shell "
    "shore sky snow spark sparrow spruce star stone stream summit sun swan thistle tide tiger trail "
    "tulip valley violet wave willow wind wolf wren"
).split()


def new_run_id() -> str:
    """A fresh run id: 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return f"{value:032x}"


def is_run_id(text: object) -> bool:
    """Whether ``text`` has the form of a run id."""
    return isinstance(text, str) and RUN_ID.fullmatch(text) is not None


def display_name() -> str:
    """Two words and a number people can say aloud: ``quiet-fox-12``."""
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{secrets.randbelow(90) + 10}"
