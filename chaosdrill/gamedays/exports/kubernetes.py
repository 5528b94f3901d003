"""Game days as Kubernetes manifests: a CronJob for each, one that rescues each system, and one that ticks.

:source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/ and
    https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosdrill.gamedays.due_occurrence import DUE
from chaosdrill.gamedays.exports.cluster import (
    HOME,
    LONGEST_TICK_S,
    NAME,
    USER,
    check_cluster,
    container_environment,
    path_in_image,
    render_cluster_files,
    rescue_arguments,
    run_arguments,
    tick_arguments,
)
from chaosdrill.gamedays.exports.plan import Export, ExportedGameDay

_STEPS = """\
make the Secret, give the service
account its role in AWS, then: kubectl apply --filename gamedays.yaml"""
LONGEST_NAME = 52  # of a CronJob: its Jobs get a suffix of 11 characters
LABEL = "chaosdrill/game-day"
# neither the cluster autoscaler nor Karpenter moves the pod of a drill to empty its node
NO_EVICTION = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
_MINUTE_S = 60
_SMALL = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
_OF_DRILL = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
Manifest = dict[str, Any]


def render_files(export: Export, image: str, namespace: str) -> dict[str, str]:
    """Write the manifests, and the recipe of the image.

    :param image: reference of the container image that the Containerfile makes, such as ``registry/chaosdrill:1``.
    :returns: the text of each file, by its name.
    :raises BadInput: when a game day cannot run in a cluster.
    """
    check_cluster(export)
    return render_cluster_files(export, _STEPS, _manifests(export, image, namespace))


@dataclass(frozen=True)
class _Job:
    """What a CronJob starts.

    :param game_day: whose drill it is; empty for a tick or a rescue: the next one goes on where it ended.
    :param home: the volume of chaosdrill's home.
    :param grace_s: how long its rollbacks may last when its pod is ended, in seconds.
    :param longest_s: after how many seconds it is ended; None: never.
    """

    name: str
    arguments: list[str]
    schedule: str = "* * * * *"
    zone: str = "Etc/UTC"
    start_within_s: int = _MINUTE_S
    game_day: str = ""
    home: Mapping[str, Any] = field(default_factory=lambda: {"emptyDir": {}})
    grace_s: int = _MINUTE_S
    longest_s: int | None = None

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: self.game_day} if self.game_day else {}


def _manifests(export: Export, image: str, namespace: str) -> list[Manifest]:
    account = _manifest("v1", "ServiceAccount", NAME, namespace)
    found = [{**account, "automountServiceAccountToken": False}]
    for one in export.game_days:
        found += _of_drill(one, namespace)
    return [*found, *(_cron_job(export, job, image, namespace) for job in _jobs(export))]


def _jobs(export: Export) -> Iterator[_Job]:
    for one in export.game_days:
        yield from _drills(one)
    for path in export.topologies:
        topology = path_in_image(export, path)
        yield _Job(_name("chaosdrill-rescue-", path.stem, topology), rescue_arguments(topology))
    yield _Job("chaosdrill-tick", tick_arguments(), longest_s=LONGEST_TICK_S)


def _drills(one: ExportedGameDay) -> Iterator[_Job]:
    """List the CronJobs of a game day: one for each expression."""
    name, many = f"gameday-{one.game_day.id}", len(one.expressions) > 1
    for number, expression in enumerate(one.expressions, 1):
        yield _Job(
            f"{name}-{number}" if many else name,
            run_arguments(one.game_day.id, DUE),
            expression,
            str(one.game_day.schedule.zone),
            one.start_within_s,
            one.game_day.id,
            {"persistentVolumeClaim": {"claimName": name}},
            one.worst_case_s,
        )


def _of_drill(one: ExportedGameDay, namespace: str) -> list[Manifest]:
    """Make the volume for the runs of a game day, and what keeps its pod from being evicted."""
    name = f"gameday-{one.game_day.id}"
    claim = _manifest("v1", "PersistentVolumeClaim", name, namespace)
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    budget = _manifest("policy/v1", "PodDisruptionBudget", name, namespace)
    selector = {"matchLabels": {LABEL: one.game_day.id}}
    return [{**claim, "spec": storage}, {**budget, "spec": {"minAvailable": 1, "selector": selector}}]


def _cron_job(export: Export, job: _Job, image: str, namespace: str) -> Manifest:
    """Make a CronJob whose Jobs never run beside each other, and never again after they failed."""
    annotations = NO_EVICTION if job.game_day else {}
    template = {"metadata": {"labels": job.labels, "annotations": annotations}, "spec": _pod(export, job, image)}
    longest = {} if job.longest_s is None else {"activeDeadlineSeconds": job.longest_s}
    return {
        **_manifest("batch/v1", "CronJob", job.name, namespace),
        "spec": {
            "schedule": job.schedule,
            "timeZone": job.zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": job.start_within_s,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {"backoffLimit": 0, "completions": 1, "parallelism": 1, **longest, "template": template}
            },
        },
    }


def _pod(export: Export, job: _Job, image: str) -> Manifest:
    """Make a pod that runs chaosdrill once, as a user without rights."""
    container = {
        "name": NAME,
        "image": image,
        "args": job.arguments,
        "env": [*_plain(container_environment(export)), *_secret(export.secrets)],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _OF_DRILL if job.game_day else _SMALL,
        "volumeMounts": [{"name": "home", "mountPath": HOME}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": job.grace_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "home", **job.home}, {"name": "tmp", "emptyDir": {}}],
    }


def _plain(variables: Mapping[str, str]) -> list[Manifest]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def _secret(names: Iterable[str]) -> list[Manifest]:
    """Refer to the keys of the Secret ``chaosdrill``; the pod does not start without one of them."""
    return [{"name": name, "valueFrom": {"secretKeyRef": {"name": NAME, "key": name}}} for name in names]


def _manifest(version: str, kind: str, name: str, namespace: str) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _name(begin: str, stem: str, path: str) -> str:
    """Make a name that Kubernetes accepts, the same one each time, and another one for each path.

    :source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
    """
    digest = hashlib.sha256(path.encode()).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    return f"{begin}{plain}"[: LONGEST_NAME - len(digest) - 1].rstrip("-") + f"-{digest}"
