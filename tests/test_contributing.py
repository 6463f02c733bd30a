"""What a stranger's tools read: the citation, the forms for issues, the template of a pull request."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.project import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
POSTS = (8404, 8711, 8444, 8453, 8454, 8471, 8739)


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def citation() -> Any:
    return read("CITATION.cff")


def test_the_citation_has_what_cff_asks_for(citation: Any) -> None:
    """https://github.com/citation-file-format: four keys are required, and of a reference type, title and authors."""
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all(isinstance(citation[key], str) and citation[key] for key in ("message", "title", "abstract"))
    assert citation["authors"] == [{"name": "The rosphere authors"}]
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)
        assert reference["authors"] == [{"family-names": "Su", "given-names": "Jianlin"}]


def test_version_licence_and_title_are_the_projects(citation: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["license"] == project["license"] == "MIT"


def test_the_posts_are_those_that_the_readme_names(citation: Any) -> None:
    cited = [int(reference["url"].removeprefix("https://kexue.fm/archives/")) for reference in citation["references"]]
    assert sorted(cited) == sorted(POSTS)
    last = (ROOT / "README.md").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert sorted(map(int, re.findall(r"\d{4}", last))) == sorted(POSTS)


@pytest.mark.parametrize("path", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_a_form_is_one_that_github_shows(path: Any) -> None:
    """GitHub passes over a form without name, description or body, and over a field without type, id or label."""
    form = read(str(path))
    assert all(isinstance(form[key], str) and form[key] for key in ("name", "description"))
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids) and {"command", "error", "machine"} <= set(ids)
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes") and field["attributes"]["label"]
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_there_are_forms_for_bugs_and_wishes_and_a_template_for_changes() -> None:
    assert [path.stem for path in FORMS] == ["bug", "config", "feature"]
    assert "params" in {field["id"] for field in read(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert isinstance(read(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"], bool)
    assert "make check" in (ROOT / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
