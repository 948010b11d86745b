"""The files of datastores, each type behind the one interface of `StoreFiles`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_aml.core.paths import WorkspaceFolder, make_private
from jupyter_aml.data.stores._base import Entry, StoreFiles
from jupyter_aml.data.stores._local import LocalFiles
from jupyter_aml.data.stores._remote import RemoteFiles
from jupyter_aml.errors import InvalidError, UnavailableError

__all__ = ["Entry", "LocalFiles", "StoreFiles", "open_files"]


def open_files(
    folder: WorkspaceFolder, name: str, settings: Mapping[str, Any], credentials: Mapping[str, str]
) -> StoreFiles:
    """The files of the datastore ``name``; its library is imported here and nowhere else."""
    opener = _OPENERS.get(settings["type"])
    if opener is None:
        raise InvalidError(f"The datastore {name!r} is a database and has no files.")
    return opener(folder, name, settings, credentials)


def _workspace(
    folder: WorkspaceFolder, name: str, _settings: Mapping[str, Any], _credentials: Mapping[str, str]
) -> StoreFiles:
    return LocalFiles(name, make_private(folder.data / "stores" / name))


def _local(
    _folder: WorkspaceFolder, name: str, settings: Mapping[str, Any], _credentials: Mapping[str, str]
) -> StoreFiles:
    return LocalFiles(name, Path(settings["path"]))


def _http(
    _folder: WorkspaceFolder, name: str, settings: Mapping[str, Any], credentials: Mapping[str, str]
) -> StoreFiles:
    _need("aiohttp", "data", name)
    from jupyter_aml.data.stores._http import http_filesystem

    fs = http_filesystem(settings["endpoint"], credentials)
    return RemoteFiles(name, fs, settings["endpoint"], credentials.values(), asks_each=True)


def _s3(
    _folder: WorkspaceFolder, name: str, settings: Mapping[str, Any], credentials: Mapping[str, str]
) -> StoreFiles:
    _need("s3fs", "s3", name)
    import s3fs

    fs = s3fs.S3FileSystem(
        anon=not credentials,
        key=credentials.get("access_key_id"),
        secret=credentials.get("secret_access_key"),
        token=credentials.get("session_token"),
        endpoint_url=settings.get("endpoint"),
        client_kwargs={"region_name": settings["region"]} if settings.get("region") else {},
        config_kwargs={"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}},
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    return RemoteFiles(name, fs, _root(settings["bucket"], settings), credentials.values())


def _azure_blob(
    _folder: WorkspaceFolder, name: str, settings: Mapping[str, Any], credentials: Mapping[str, str]
) -> StoreFiles:
    _need("adlfs", "azure", name)
    import adlfs

    options: dict[str, Any] = {
        "account_name": settings["account_name"],
        "account_key": credentials.get("account_key"),
        "sas_token": credentials.get("sas_token"),
        "anon": not credentials,
    }
    if settings.get("endpoint") and "account_key" in credentials:
        parts = {
            "DefaultEndpointsProtocol": settings["endpoint"].partition(":")[0],
            "AccountName": settings["account_name"],
            "AccountKey": credentials["account_key"],
            "BlobEndpoint": settings["endpoint"],
        }
        options["connection_string"] = ";".join(f"{key}={value}" for key, value in parts.items())
    fs = adlfs.AzureBlobFileSystem(**options, skip_instance_cache=True, use_listings_cache=False)
    return RemoteFiles(name, fs, _root(settings["container_name"], settings), credentials.values())


def _root(first: str, settings: Mapping[str, Any]) -> str:
    return f"{first}/{settings['prefix']}" if settings.get("prefix") else first


def _need(module: str, extra: str, name: str) -> None:
    if importlib.util.find_spec(module) is None or importlib.util.find_spec("fsspec") is None:
        raise UnavailableError(
            f"The datastore {name!r} needs {module}, which is not installed here.",
            hint=f"Install it: pip install 'jupyter_aml[{extra}]'",
        )


_Opener = Callable[[WorkspaceFolder, str, Mapping[str, Any], Mapping[str, str]], StoreFiles]
_OPENERS: dict[str, _Opener] = {
    "workspace": _workspace,
    "local": _local,
    "http": _http,
    "s3": _s3,
    "azure_blob": _azure_blob,
}
