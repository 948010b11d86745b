"""The files half of a run: what it holds, and bringing it here."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import ConflictError, NotFoundError, did_you_mean

if TYPE_CHECKING:
    from jupyter_aml.client import Client
    from jupyter_aml.models.registry import Model
    from jupyter_aml.tracking.recorder import Recorder


class RunFiles:
    """Uploading, listing and downloading a run's files, and reading its logs."""

    id: str
    _client: Client

    def _writer(self) -> Recorder:
        raise NotImplementedError

    def upload_file(self, name: str, path_or_stream: str | Path) -> None:
        """Keep the file at ``path_or_stream`` as the run's file ``name``."""
        self._writer().add_file(name, Path(path_or_stream))

    def upload_folder(self, name: str, path: str | Path) -> None:
        """Keep every file below the folder ``path`` as a file of the run below ``name``."""
        root = Path(path)
        if not root.is_dir():
            raise NotFoundError(
                f"There is no folder {str(path)!r} to upload.", hint=f"Looked in {Path.cwd()}."
            )
        for file in sorted(root.rglob("*")):
            if file.is_file() and not file.is_symlink():
                self._writer().add_file(f"{name}/{file.relative_to(root).as_posix()}", file)

    def get_file_names(self) -> list[str]:
        """The paths of the run's files."""
        return [file["path"] for file in self._files("")]

    def _files(self, prefix: str) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            page = self._client.call("list_artifacts", run_id=self.id, prefix=prefix, page_token=token)
            yield from page["items"]
            token = page["next_page_token"]
            if token is None:
                return

    def download_file(
        self, name: str, output_file_path: str | Path | None = None, *, overwrite: bool = True
    ) -> Path:
        """Bring the run's file ``name`` here and return where it is.

        ``output_file_path`` is a file, or an existing folder; without it, the file's own name in the
        current folder.
        """
        check_logical_path(name)
        target = Path(output_file_path) if output_file_path is not None else Path(name.rsplit("/", 1)[-1])
        if target.is_dir():
            target /= name.rsplit("/", 1)[-1]
        return self._fetch(name, target, overwrite=overwrite)

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> list[Path]:
        """Bring every file whose path begins with ``prefix`` here, keeping the paths; where they are."""
        found = list(self._files(prefix))
        if not found:
            hint = did_you_mean(prefix, self.get_file_names())
            raise NotFoundError(f"The run has no file whose path begins with {prefix!r}.", hint=hint)
        root = Path(output_directory)
        return [
            self._fetch(file["path"], root / check_logical_path(file["path"]), overwrite=True)
            for file in found
        ]

    def read_file(self, name: str) -> bytes:
        """The bytes of the run's file ``name``."""
        return bytes(self._client.request("download_artifact", run_id=self.id, path=name).content)

    def _fetch(self, name: str, target: Path, *, overwrite: bool) -> Path:
        if target.exists() and not overwrite:
            raise ConflictError(f"{target} is there already.", hint="Pass overwrite=True, or another path.")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{secrets.token_hex(8)}.part")

        def save(chunks: Iterable[bytes]) -> None:
            with temporary.open("xb") as stream:
                for chunk in chunks:
                    stream.write(chunk)

        try:
            self._client.stream("download_artifact", save, run_id=self.id, path=name)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def register_model(self, name: str, path: str, **about: Any) -> Model:
        """Register the run's file or folder ``path`` as the next version of the model ``name``; it.

        No bytes are copied. Inside a job, what lies at ``path`` in its folder is kept with the run first.
        ``about``: ``tags``, ``properties``, ``description``, ``sample_input`` and more, see
        `jupyter_aml.Model.from_run`.
        """
        import jupyter_aml  # the front door: models stand a floor above runs

        return jupyter_aml.Model.from_run(self, name, path, **about)

    def logs(self, stream: str = "user_logs/std_log.txt") -> str:
        """The whole text of a log stream."""
        return "".join(chunk["text"] for chunk in self._log_chunks(stream, 0))

    def log_tail(self, lines: int = 20, stream: str = "user_logs/std_log.txt") -> list[str]:
        """The last lines of a log stream."""
        chunk = self._client.call("read_log", run_id=self.id, stream=stream, offset=-65536)
        return list(chunk["text"].splitlines()[-lines:])

    def _log_chunks(self, stream: str, offset: int) -> Iterator[dict[str, Any]]:
        while True:
            chunk = self._client.call("read_log", run_id=self.id, stream=stream, offset=offset, limit=262144)
            yield chunk
            if chunk["next_offset"] == offset or chunk["complete"]:
                return
            offset = chunk["next_offset"]
