"""FIS with experiments that take effect.

Fixes: in moto 5.2.5 an experiment changes its state when it is read, nothing is injected, targets given by tags are not
resolved, ``actionsMode`` and stop conditions are ignored, and ListActions and the safety lever are missing.
"""

import moto.fis.models as fis_models
import moto.fis.urls as fis_urls

from chaosdrill.lab.aws.fis.backend import LabFISBackend
from chaosdrill.lab.aws.fis.experiment import LabExperiment
from chaosdrill.lab.aws.fis.responses import LabFISResponse
from chaosdrill.lab.aws.patching import replace


def install() -> None:
    """Install the fixes; called before the first request."""
    replace(fis_models, "Experiment", LabExperiment)
    replace(fis_models.fis_backends, "backend", LabFISBackend)
    for path in (*fis_urls.url_paths, "{0}/safetyLevers/(?P<id>[^/]+)$", "{0}/safetyLevers/(?P<id>[^/]+)/state$"):
        fis_urls.url_paths[path] = LabFISResponse.dispatch
