"""What goes wrong while a table is read, in words a user can act on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from jupyter_aml.errors import AmlError, InvalidError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from jupyter_aml.data.tabular.files import FileSource


@contextlib.contextmanager
def clear_errors(source: FileSource) -> Iterator[None]:
    """Turn pyarrow's errors into ours; of a value of a wrong type, file, row and column are looked up."""
    try:
        yield
    except AmlError:
        raise
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:1000]
        if "conversion error" in reason or "Expected" in reason:
            with contextlib.suppress(pa.ArrowException, OSError):
                reason = source.find_bad_row() or reason
        raise InvalidError(
            "A file of the table cannot be read as its columns say.",
            detail=reason,
            hint='Say what the column holds: column_types={"name": "text"}; or for lines: bad_lines="skip".',
        ) from None
    except FileNotFoundError as error:
        raise NotFoundError(f"A file of the table is gone: {error}.") from None
    except (pa.ArrowException, OSError) as error:
        raise UnavailableError(
            f"A file of the table cannot be read: {' '.join(str(error).split())[:500]}"
        ) from None
