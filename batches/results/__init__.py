"""The read side of batches: records, pages, summaries and exports."""

from .aggregate import Aggregate
from .batch_results import BatchResults, Page
from .folder import FolderExport
from .formats import FORMATS
from .records import ResultRecord
from .summary import BatchCounts, BatchSummary, ErrorGroup, Latency

__all__ = [
    "FORMATS",
    "Aggregate",
    "BatchCounts",
    "BatchResults",
    "BatchSummary",
    "ErrorGroup",
    "FolderExport",
    "Latency",
    "Page",
    "ResultRecord",
]
