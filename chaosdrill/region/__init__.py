"""The region state: the facts that determine which region serves, and the verdict from them."""

from chaosdrill.region.facts import read_region, read_region_facts, read_region_of
from chaosdrill.region.shared_reading import watch
from chaosdrill.region.state import verdict

__all__ = ["read_region", "read_region_facts", "read_region_of", "verdict", "watch"]
