"""The tables of the read side, typed for SQLAlchemy: what Django's models create, for exports, summaries, notebooks.

Keys of providers are left out on purpose: nothing that reads results can reach them. A test holds each column against
the databases, so that a migration cannot leave this module behind.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypedColumns,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
_JSON = JSON().with_variant(JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware on both databases; Django keeps it without a zone on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give SQLite UTC without a zone."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return it aware, in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _time(*, nullable: bool = False) -> Column[datetime]:
    return Column(UtcDateTime, nullable=nullable)


def _money(digits: int, places: int, *, nullable: bool = False) -> Column[Decimal]:
    return Column(Numeric(digits, places), nullable=nullable)


class CredentialColumns(TypedColumns):
    """A provider credential without its key."""

    id = Column(BigInteger, primary_key=True)
    owner_id = Column(BigInteger, nullable=False)
    name = Column(String(100), nullable=False)
    provider = Column(String(40), nullable=False)
    base_url = Column(String(500), nullable=False)
    environment = Column(String(20), nullable=False)


class AgentColumns(TypedColumns):
    """An agent."""

    id = Column(BigInteger, primary_key=True)
    owner_id = Column(BigInteger, nullable=False)
    slug = Column(String(100), nullable=False)
    name = Column(String(200), nullable=False)
    kind = Column(String(10), nullable=False)
    state = Column(String(20), nullable=False)
    current_version_id = Column(BigInteger)
    created_at = _time()


class AgentVersionColumns(TypedColumns):
    """A version of an agent."""

    id = Column(BigInteger, primary_key=True)
    agent_id = Column(BigInteger, nullable=False)
    number = Column(Integer, nullable=False)
    credential_id = Column(BigInteger, nullable=False)
    model = Column(String(200), nullable=False)
    instructions = Column(Text, nullable=False)
    prompt = Column(Text, nullable=False)
    parameters: Column[Any] = Column(_JSON, nullable=False)
    output_schema: Column[Any] = Column(_JSON, nullable=True)
    abilities: Column[Any] = Column(_JSON, nullable=False)
    operation = Column(String(20), nullable=False)
    attachments: Column[Any] = Column(_JSON, nullable=False)
    cache_seconds = Column(Integer)
    max_repairs = Column(Integer, nullable=False)
    max_seconds = Column(Float, nullable=False)
    created_at = _time()


class PoolMemberColumns(TypedColumns):
    """One model of a version that has several; the first is the version's own."""

    id = Column(BigInteger, primary_key=True)
    version_id = Column(BigInteger, nullable=False)
    place = Column(Integer, nullable=False)
    credential_id = Column(BigInteger, nullable=False)
    model = Column(String(200), nullable=False)
    weight = Column(Integer, nullable=False)


class BatchColumns(TypedColumns):
    """A batch with its counts."""

    id = Column(BigInteger, primary_key=True)
    owner_id = Column(BigInteger, nullable=False)
    name = Column(String(200), nullable=False)
    agent_version_id = Column(BigInteger)
    source_id = Column(BigInteger)
    state = Column(String(20), nullable=False)
    input_kind = Column(String(10), nullable=False)
    columns: Column[Any] = Column(_JSON, nullable=False)
    input_name = Column(String(255), nullable=False)
    endpoint = Column(String(40), nullable=False)
    total = Column(Integer, nullable=False)
    succeeded = Column(Integer, nullable=False)
    failed = Column(Integer, nullable=False)
    cancelled = Column(Integer, nullable=False)
    expired = Column(Integer, nullable=False)
    input_tokens = Column(BigInteger, nullable=False)
    output_tokens = Column(BigInteger, nullable=False)
    cached_tokens = Column(BigInteger, nullable=False)
    reasoning_tokens = Column(BigInteger, nullable=False)
    cost = _money(18, 9)
    created_at = _time()
    started_at = _time(nullable=True)
    finished_at = _time(nullable=True)


class RunColumns(TypedColumns):
    """A run with its result."""

    id = Column(BigInteger, primary_key=True)
    owner_id = Column(BigInteger, nullable=False)
    batch_id = Column(BigInteger)
    index = Column(Integer, nullable=False)
    custom_id = Column(String(255))
    parent_id = Column(BigInteger)
    agent_version_id = Column(BigInteger, nullable=False)
    input_kind = Column(String(10), nullable=False)
    input_json = Column(Text, nullable=False)
    use_cache = Column(Boolean, nullable=False)
    state = Column(String(10), nullable=False)
    attempt = Column(Integer, nullable=False)
    tries = Column(Integer, nullable=False)
    crashes = Column(Integer, nullable=False)
    crash_slice = Column(Integer)
    cost = _money(18, 9)
    input_tokens = Column(Integer, nullable=False)
    output_tokens = Column(Integer, nullable=False)
    cached_tokens = Column(Integer, nullable=False)
    reasoning_tokens = Column(Integer, nullable=False)
    model = Column(String(301))
    is_cached = Column(Boolean, nullable=False)
    latency_ms = Column(Integer)
    output = Column(Text)
    parsed: Column[Any] = Column(_JSON, nullable=True)
    completion: Column[Any] = Column(_JSON, nullable=True)
    error_code = Column(String(30))
    error_message = Column(Text)
    created_at = _time()
    started_at = _time(nullable=True)
    finished_at = _time(nullable=True)


class AttemptColumns(TypedColumns):
    """One try of a run."""

    id = Column(BigInteger, primary_key=True)
    run_id = Column(BigInteger, nullable=False)
    number = Column(Integer, nullable=False)
    outcome = Column(String(12), nullable=False)
    worker = Column(String(100), nullable=False)
    model = Column(String(301), nullable=False)
    started_at = _time(nullable=True)
    finished_at = _time()
    latency_ms = Column(Integer)
    first_token_ms = Column(Integer)
    steps = Column(Integer, nullable=False)
    input_tokens = Column(Integer, nullable=False)
    output_tokens = Column(Integer, nullable=False)
    cached_tokens = Column(Integer, nullable=False)
    reasoning_tokens = Column(Integer, nullable=False)
    cost = _money(18, 9)
    error_code = Column(String(30))
    error_message = Column(Text)


credentials = Table("credentials_credential", metadata, CredentialColumns)
agents = Table("agents_agent", metadata, AgentColumns)
agent_versions = Table("agents_agentversion", metadata, AgentVersionColumns)
pool_members = Table("agents_poolmember", metadata, PoolMemberColumns)
batches = Table("batches_batch", metadata, BatchColumns)
runs = Table("batches_run", metadata, RunColumns)
attempts = Table("batches_attempt", metadata, AttemptColumns)
