"""The workflows run the scripts of the repository, with few permissions and pinned actions."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"

if not WORKFLOWS.exists():
    pytest.skip("the workflows are in a checkout", allow_module_level=True)

# What each job may write beyond reading the repository.
WRITES = {
    ("release.yml", "build"): {"id-token", "attestations"},
    ("release.yml", "publish"): {"id-token"},
}


def loaded(name):
    return yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def actions(name):
    return [step["uses"] for step in steps(loaded(name)) if "uses" in step]


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_actions_are_pinned_and_say_their_version(name):
    text = (WORKFLOWS / name).read_text(encoding="utf-8")
    assert actions(name)
    for action in actions(name):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.search(rf"uses: {action} # v\d+\.\d+\.\d+$", text, re.MULTILINE)


def test_an_action_has_the_same_version_everywhere():
    pins = {*actions("ci.yml"), *actions("release.yml")}
    assert len(pins) == len({pin.partition("@")[0] for pin in pins})


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_jobs_may_write_only_what_they_must(name):
    workflow = loaded(name)
    assert workflow["permissions"] == {"contents": "read"}
    for job, content in workflow["jobs"].items():
        permissions = content.get("permissions", {})
        writes = {what for what, right in permissions.items() if right == "write"}
        assert writes == WRITES.get((name, job), set())


def test_the_scripts_are_those_of_the_repository():
    runs = [step["run"] for step in steps(loaded("ci.yml")) if "run" in step]
    assert runs == ["bash .ci/run"]
    build, publish = (loaded("release.yml")["jobs"][job] for job in ("build", "publish"))
    assert [step["run"] for step in build["steps"] if "run" in step] == ["bash .ci/release"]
    for script in (".ci/run", ".ci/release"):
        assert (ROOT / script).is_file()
    # Nothing is published that has not been checked, built and attested.
    assert publish["needs"] == ["checks", "build"]
    attested = [step["with"] for step in build["steps"] if "attest-" in step.get("uses", "")]
    assert attested == [{"subject-path": "dist/*"}]
