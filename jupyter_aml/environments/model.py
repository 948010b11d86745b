"""What an environment is, as the REST API and every face show it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Annotated, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import BaseModel, Field, field_validator, model_validator

from jupyter_aml import limits
from jupyter_aml.core.paths import check_text
from jupyter_aml.core.variables import check_variables
from jupyter_aml.environments.requirements import check_index_url, normal_requirements
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.model import Model, Page, Tags

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_EXACT = re.compile(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", re.ASCII)


class Definition(Model):
    """What an environment consists of; equal definitions have equal digests.

    Attributes:
        python: ``3.12``, ``3.12.1`` or a range such as ``>=3.10``; None for the Python that runs the job.
        requirements, constraints: in the form of `check_requirement`, sorted.
        interpreter: an installed Python that is used as it is, instead of one that is built.
        extra_index_urls: indexes to look in beside those the machine has configured.
        notes: what was left out or replaced when the definition was made, for people.
    """

    python: str | None = None
    requirements: list[str] = []
    constraints: list[str] = []
    interpreter: str | None = None
    extra_index_urls: list[str] = Field([], max_length=20)
    allow_direct: bool = False
    environment_variables: dict[str, str] = {}
    notes: list[str] = Field([], max_length=200)

    @field_validator("python")
    @classmethod
    def _python(cls, text: str | None) -> str | None:
        if text is None or _EXACT.fullmatch(text):
            return text
        try:
            return str(SpecifierSet(text)) or None
        except InvalidSpecifier:
            raise InvalidError(
                f"{ascii(text)[:60]} is no Python version.", hint="Write 3.12, 3.12.1 or >=3.10."
            ) from None

    @field_validator("interpreter")
    @classmethod
    def _interpreter(cls, path: str | None) -> str | None:
        if path is None:
            return None
        check_text(path, "interpreter's path", limits.PATH_LENGTH)
        if not os.path.isabs(path) or os.path.normpath(path) != path:
            raise InvalidError(f"{path!r} is no absolute path of an interpreter.")
        return path

    @field_validator("extra_index_urls")
    @classmethod
    def _indexes(cls, urls: list[str]) -> list[str]:
        return [check_index_url(url) for url in urls]

    @field_validator("environment_variables")
    @classmethod
    def _variables(cls, variables: dict[str, str]) -> dict[str, str]:
        return check_variables(variables)

    @field_validator("notes")
    @classmethod
    def _notes(cls, notes: list[str]) -> list[str]:
        return [check_text(note, "note", 10_000) for note in notes]

    @model_validator(mode="after")
    def _lines(self) -> Definition:
        for name in ("requirements", "constraints"):
            lines = normal_requirements(getattr(self, name), name, allow_direct=self.allow_direct)
            setattr(self, name, lines)
        if self.interpreter is not None and (self.requirements or self.python):
            raise InvalidError(
                "An existing interpreter is used as it is: it takes no requirements and no Python version.",
                hint="Leave them out, or leave the interpreter out.",
            )
        return self

    def digest(self) -> str:
        """The sha256 of what it says; its notes do not count."""
        whole = self.model_dump(mode="json", exclude={"notes"})
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def resolution_digest(self) -> str:
        """The sha256 of what decides which packages it gets."""
        counts = {"python", "requirements", "constraints", "extra_index_urls"}
        whole = self.model_dump(mode="json", include=counts)
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


class CreateEnvironment(Model):
    """A new version of an environment; one that is there already with this very definition is returned."""

    name: str
    version: Version | None = None
    description: str = ""
    tags: Tags = {}
    definition: Definition


class AnonymousEnvironment(Model):
    """A definition without a name, for one job."""

    definition: Definition


class UpdateEnvironment(Model):
    """Changes of an environment; what is left out stays. Without a version, all versions are meant."""

    version: Version | None = None
    description: str | None = None
    tags: dict[str, str | None] | None = None
    archived: bool | None = None


class RefreshEnvironment(Model):
    """Which version is to be resolved anew."""

    version: Version | None = None


class PruneEnvironments(Model):
    """Which built environments go: those not used for so many days; with ``dry_run`` none, only named."""

    unused_days: float = Field(30.0, ge=0, le=100_000)
    dry_run: bool = False


class EnvironmentModel(BaseModel):
    """One version of an environment.

    Attributes:
        asked: how it was asked for, where something else stands in for that; ``notes`` then say so.
        state: ``ready`` where it is built on this machine; ``size`` is what it takes there, in bytes.
    """

    name: str
    version: str
    description: str
    tags: Tags
    user: str
    created_at: int | None
    archived: bool
    curated: bool
    is_latest: bool
    asked: str | None
    definition: Definition
    notes: list[str]
    state: Literal["ready", "not built", "existing"]
    built_python: str | None
    size: int | None


class Environments(Page):
    """A page of environments."""

    items: list[EnvironmentModel]


class BuiltModel(BaseModel):
    """A built environment on the disk; ``used_at`` and ``built_at`` are ms since the epoch."""

    id: str
    environments: list[str]
    python: str
    packages: int
    size: int
    built_at: int
    used_at: int
    in_use: bool


class Builds(Page):
    """What is built on this machine."""

    items: list[BuiltModel]


class Pruned(BaseModel):
    """What was removed, and how many bytes that gave back."""

    removed: list[BuiltModel]
    kept: list[BuiltModel]
    freed: int
