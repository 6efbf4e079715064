"""The settings of the HTTP floor."""

from __future__ import annotations

from dataclasses import dataclass

from raftdoc import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    document_bytes_max: int = limits.DOCUMENT_BYTES_MAX
    """Of a document, as sent and as stored."""
    bulk_bytes_max: int = limits.BULK_BYTES_MAX
    bulk_documents_max: int = limits.BULK_DOCUMENTS_MAX
    atomic_bytes_max: int = limits.ATOMIC_BATCH_BYTES_MAX
    request_timeout_ms: int = limits.REQUEST_TIMEOUT_MS
    """Of a request that names no Raftdoc-Timeout."""
    connections_max: int = limits.HTTP_CONNECTIONS_MAX
    idle_s_max: float = limits.HTTP_IDLE_S_MAX
    """A connection without a request for so long is closed."""
    linger_s_max: float = limits.HTTP_LINGER_S_MAX
    idempotency_retention_ms: int = limits.IDEMPOTENCY_RETENTION_MS
