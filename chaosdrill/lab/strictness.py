"""The names for ``chaosdrill lab up --lenient NAME``, each a way in which the lab is more lenient than AWS."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from chaosdrill.errors import BadInput, problem

LENIENT_ISOLATION = "isolation-stops-replication"
LENIENT_PAUSE = "replication-pauses-at-once"

LENIENT: Mapping[str, str] = MappingProxyType(
    {
        "database-resync": "After an unplanned failover the old primary of the database is connected at once.",
        "fis-document-at-once": "FIS's documents act at once; on AWS they install what they need first.",
        "fis-permissions": "FIS needs no AWSServiceRoleForFIS, and an experiment's role may do everything.",
        "metrics-listed-at-once": "ListMetrics shows a metric with its first value; on AWS up to 15 minutes later.",
        LENIENT_ISOLATION: "A region that is cut off replicates nothing; on AWS its storage goes on.",
        "public-zone": "The domain resolves everywhere; on AWS only in the VPCs of its private zone.",
        "region-header": (
            "Each response of the application names its region in the header X-Region; the sample's responses do not."
        ),
        "parallel-worker": "The worker settles four transactions at a time, at no cost; the sample's one by one.",
        LENIENT_PAUSE: "FIS pauses the replication of a global table at once; on AWS within five minutes.",
        "s3-global-host": "S3's global host serves buckets of every region; on AWS it redirects while they are young.",
        "step-functions-lag": "DescribeExecution and ListExecutions show a change at once; on AWS after some seconds.",
        "step-functions-quotas": "Step Functions takes any number of calls; AWS throttles them.",
        "standby-reads": "The standby's application reads its database; on AWS its endpoint waits for a promotion.",
    }
)
"""Each name, and how the lab then differs from AWS."""


def lenient_names(given: Iterable[str]) -> tuple[str, ...]:
    """Check names of :data:`LENIENT`.

    :param given: names; empty ones are ignored.
    :returns: the names, sorted and unique.
    :raises BadInput: with every name that does not exist.
    """
    names = {name.strip() for name in given} - {""}
    if unknown := sorted(names - set(LENIENT)):
        known = ", ".join(LENIENT)
        why = "the lab cannot be relaxed by {!r}: there is no such name; write one of {}"
        raise BadInput([problem("lenient-name-unknown", why.format(name, known)) for name in unknown])
    return tuple(sorted(names))
