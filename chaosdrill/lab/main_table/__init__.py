"""The lab's DynamoDB global table: a replicated, multi-writer main table with an adjustable lag."""

from chaosdrill.lab.main_table.main_table import MainTable

__all__ = ["MainTable"]
