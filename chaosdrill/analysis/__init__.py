"""Pure functions that judge a stored run without AWS, the lab or Chaos Toolkit, so that any run can be judged again."""

from chaosdrill.analysis.load_outage import ClientOutage, LoadOutage, client_outage
from chaosdrill.analysis.states import StatePeriod, region_states
from chaosdrill.analysis.verdict import Verdict, judge

__all__ = ["ClientOutage", "LoadOutage", "StatePeriod", "Verdict", "client_outage", "judge", "region_states"]
