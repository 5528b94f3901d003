"""What users install: an sdist and a wheel that hold everything, and a wheel that runs a lab."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[2]


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distributions, built from the files that git would hand out."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).split("\n")
    for name in filter(None, files):
        if (REPOSITORY / name).is_symlink():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).symlink_to((REPOSITORY / name).readlink())
        elif (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source))
    return built


def test_the_wheel_and_the_sdist_hold_the_whole_package(built):
    package = {str(p.relative_to(REPOSITORY)) for p in (REPOSITORY / "chaosdrill").rglob("*.py")}
    package |= {"chaosdrill/py.typed", "chaosdrill/topology/schema.json", "chaosdrill/topology/template.yaml"}
    package |= {"chaosdrill/runs/summary.schema.json", "chaosdrill/client/host/locust.lock"}
    experiments = REPOSITORY / "experiments"
    shipped = [path.relative_to(experiments) for path in experiments.rglob("*") if path.is_file()]
    package |= {f"chaosdrill/experiments/{path}" for path in shipped}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        held = set(wheel.namelist())
    assert package <= held
    assert not [name for name in held if name.startswith("tests/")]
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        assert package <= {name.partition("/")[2] for name in sdist.getnames()}


def test_the_installed_wheel_runs_a_lab(built, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    wheel = str(next(built.glob("*.whl")))
    # nothing is asked of a registry: what the wheel's metadata ask for is in the venv of the tests
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--no-index"]
    run(*pip, "--no-deps", wheel)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    environment = {**os.environ, "CHAOSDRILL_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": ""}
    environment.pop("PYTHONPATH", None)

    def chaosdrill(*arguments: str) -> str:
        return run(str(tmp_path / "venv" / "bin" / "chaosdrill"), *arguments, env=environment, cwd=tmp_path)

    where = run(python, "-c", "import chaosdrill; print(chaosdrill.__file__)", env=environment, cwd=tmp_path)
    assert where.startswith(str(site))
    assert "chaos run experiments/failover.yaml" in chaosdrill("init", str(tmp_path / "mine"))
    mine, own = tmp_path / "mine" / "experiments" / "failover.yaml", REPOSITORY / "experiments" / "failover.yaml"
    assert mine.read_bytes() == own.read_bytes()
    chaosdrill("lab", "up", "--detach", "--scale", "0.1")
    try:
        assert "ready after" in chaosdrill("lab", "status")
    finally:
        chaosdrill("lab", "down")
