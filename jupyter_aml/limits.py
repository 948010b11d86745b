"""Every limit of the product, in one table.

Validators, help texts and tests read these names; nothing else in the project states a limit. Sizes are
bytes, times are seconds unless the name says otherwise. Lengths that MLflow clients meet are MLflow's.
"""

from __future__ import annotations

import os

_KIB = 1024
_MIB = 1024 * _KIB
_GIB = 1024 * _MIB

# Names and values
NAME_LENGTH = 128
DISPLAY_NAME_LENGTH = 250
DESCRIPTION_LENGTH = 10_000
METRIC_NAME_LENGTH = 250
PARAM_NAME_LENGTH = 250
PARAM_VALUE_LENGTH = 6_000
TAG_NAME_LENGTH = 250
TAG_VALUE_LENGTH = 8_000
TAGS_A_RUN = 1_000
PARAMS_A_RUN = 10_000
NOTEBOOK_PARAMETER_NAME_LENGTH = 128
IDEMPOTENCY_KEY_LENGTH = 128

# Paths inside a run
PATH_LENGTH = 1_000
PATH_SEGMENT_LENGTH = 255
PATH_DEPTH = 64

# Requests and pages
REQUEST_JSON_BYTES = 32 * _MIB
JSON_DEPTH = 64
PAGE_DEFAULT = 100
PAGE_MAX = 1_000
FILTER_LENGTH = 10_000
FILTER_CLAUSES = 50
ORDER_BY_MAX = 10
HISTORY_POINTS_MAX = 1_000_000
LOG_CHUNK_BYTES = 256 * _KIB

# Metrics that are not scalars
OBJECT_JSON_BYTES = 8 * _MIB
TABLE_ROWS = 100_000

# What is kept with a run and shown with it in every list
SOURCE_JSON_BYTES = 64 * _KIB
ERROR_JSON_BYTES = 256 * _KIB

# Snapshots
SNAPSHOT_BYTES = 300 * _MIB
SNAPSHOT_FILES = 10_000
ARTIFACT_FILES = 200_000

# Environments
REQUIREMENT_LENGTH = 20_000  # its hashes included
REQUIREMENTS = 5_000

# Models
MODEL_VERSION_MAX = 1_000_000_000
MODEL_FILES = 100_000
MLMODEL_BYTES = 256 * _KIB
SIGNATURE_COLUMNS = 10_000

# Data
DATA_FILES = 100_000
DATA_COLUMNS = 100_000
DATA_PATTERNS = 1_000
DATA_STEPS = 1_000
COLUMN_NAME_LENGTH = 1_000
QUERY_LENGTH = 100_000
BROWSE_ENTRIES = 10_000
SECRET_LENGTH = 10_000

# Cells
CELL_SHIP_BYTES = 512 * _MIB
CELL_RETURN_BYTES = 512 * _MIB

# Logs and outputs of a job
LOG_BYTES = 100 * _MIB
LOG_LINE_BYTES = 64 * _KIB
LOG_TAIL_LINES = 20
CELL_OUTPUT_BYTES = 10 * _MIB

# Ends
CANCEL_GRACE_SECONDS = 5.0
TERMINATE_GRACE_SECONDS = 5.0
RUN_TOKEN_GRACE_SECONDS = 60.0
RETRIES_MAX = 10

# Compute
# Idle time after which an instance may be told to stop by itself, at least.
INSTANCE_IDLE_SECONDS = float(os.environ.get("AML_INSTANCE_IDLE_SECONDS", "60"))

# The service
SERVICE_START_SECONDS = 30.0
SERVICE_IDLE_SECONDS = float(os.environ.get("AML_SERVICE_IDLE_SECONDS", "1800"))
# With its port open: who was given an address cannot start the service again.
SERVICE_PORT_IDLE_SECONDS = 24 * 3600.0
REQUEST_SECONDS = 60.0
SEARCH_SECONDS = 5.0
DATABASE_BUSY_SECONDS = 10.0
TEMPORARY_FILE_SECONDS = 600.0
EVENT_QUEUE_LENGTH = 1_000
