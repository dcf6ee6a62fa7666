"""Show a curation: one self-contained page, the same figures as a terminal table, and the answer to "why?".

Everything here takes plain values (``data.ReportData``) and returns text; the Spark layer fills the values.
"""

from pile_curate.report.data import ReportData
from pile_curate.report.page import build_report
from pile_curate.report.table import terminal_table

__all__ = ["ReportData", "build_report", "terminal_table"]
