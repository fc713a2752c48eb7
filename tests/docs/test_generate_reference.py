"""docs/generate_reference.py: the pages on the contract, complete and up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import reference_api
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from support.paths import ROOT

SCRIPT = ROOT / "docs" / "generate_reference.py"
DESCRIPTORS = ROOT / "generated/python/acs" / "descriptors.binpb"


def generate(descriptors: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, descriptors, out], capture_output=True, text=True, check=False
    )


def row_of_field(rules: str) -> str:
    """Return the row of a field with these rules."""
    contract = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    pool = DescriptorPool()
    for described in contract.file:
        pool.Add(described)
    options = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))()
    text_format.Parse(f"[buf.validate.field] {{ {rules} }}", options, descriptor_pool=pool)
    field = FieldDescriptorProto(name="f", number=1, type=FieldDescriptorProto.TYPE_STRING)
    field.options.MergeFromString(options.SerializeToString())
    contract.file.add(
        name="x.proto",
        package="acs.x.v1",
        message_type=[DescriptorProto(name="M", field=[field])],
    )
    page = reference_api.pages(contract)["x-api.md"]
    return next(line for line in page.splitlines() if "`f`" in line)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("reference")
    done = generate(DESCRIPTORS, out)
    assert (done.returncode, done.stderr) == (0, "")
    return {file.name: file.read_text() for file in out.iterdir()}


@pytest.fixture(scope="module", params=["api.md", "legacy-api.md"])
def page_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def page(page_name: str, pages: dict[str, str]) -> str:
    return pages[page_name]


@pytest.fixture(scope="module")
def files(page_name: str) -> list[FileDescriptorProto]:
    """Return the proto files of the page."""
    packages = {
        "api.md": ("acs.rooms.v1", "acs.rooms.debug.v1"),
        "legacy-api.md": ("acs.rooms.legacy.v1",),
    }[page_name]
    descriptors = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    return [file for file in descriptors.file if file.package in packages]


def test_each_own_package_has_a_page(pages: dict[str, str]) -> None:
    descriptors = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    packages = {
        file.package
        for file in descriptors.file
        # acs.options.v1 has an extension only.
        if file.package.startswith("acs.") and file.message_type
    }
    titles = [line for page in pages.values() for line in page.splitlines()]
    assert sorted(line for line in titles if line.startswith("## Package ")) == sorted(
        f"## Package {package}" for package in packages
    )
    assert not any("FileDescriptorProto" in page for page in pages.values())


def test_page_has_the_comment_of_every_element(page: str, files: list[FileDescriptorProto]) -> None:
    text = " ".join(page.replace("<br>", " ").replace("`", "").replace("text\n", "").split())
    comments = [
        " ".join(location.leading_comments.replace("`", "").split())
        for file in files
        for location in file.source_code_info.location
        if location.leading_comments and len(location.path) in {2, 4}
    ]
    assert len(comments) > 50
    assert [comment for comment in comments if comment not in text] == []


def test_page_has_the_name_of_every_element(page: str, files: list[FileDescriptorProto]) -> None:
    names = set()
    for file in files:
        for service in file.service:
            names |= {f"#### {service.name}.{method.name}\n" for method in service.method}
        for message in file.message_type:
            names |= {f"#### {message.name}\n", *(f"| `{f.name}` |" for f in message.field)}
            assert all(nested.options.map_entry for nested in message.nested_type)
        for enum in file.enum_type:
            names |= {f"#### {enum.name}\n", *(f"| `{v.name}` |" for v in enum.value)}
    assert {name for name in names if name not in page} == set()


def test_every_link_has_exactly_one_target(
    page_name: str, page: str, pages: dict[str, str]
) -> None:
    links = set(re.findall(r"\]\(([\w-]+\.md)?#([\w.]+)\)", page))
    assert len(links) > 20
    assert {
        (where, target): pages[where or page_name].count(f'<a id="{target}">')
        for where, target in links
    } == dict.fromkeys(links, 1)


@pytest.mark.parametrize("name", ["api.md", "legacy-api.md", "errors.md", "settings.md"])
def test_committed_page_is_up_to_date(name: str, pages: dict[str, str]) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text() == pages[name]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("string { min_len: 1 max_len: 64 }", "1 to 64 characters"),
        ("string { max_len: 1 }", "at most 1 character"),
        ("string { min_len: 2 }", "at least 2 characters"),
        ('string { pattern: "^(a|b)$" }', r"matches `^(a\|b)$`"),
        ("ignore: IGNORE_IF_ZERO_VALUE string { uuid: true }", "may be empty; a UUID"),
        ("enum { defined_only: true }", "one of the defined values"),
        (
            "repeated { max_items: 350 items { string { min_len: 1 max_len: 9 } } }",
            "at most 350 items; each item: 1 to 9 characters",
        ),
    ],
)
def test_rules_are_worded(rules: str, expected: str) -> None:
    assert row_of_field(rules) == f"| `f` | string | {expected} |  |"


@pytest.mark.parametrize(
    "rules",
    [
        "string { email: true }",
        "int32 { gt: 0 }",
        'repeated { items { string { prefix: "8:" } } }',
    ],
)
def test_rule_without_wording_is_an_error(rules: str) -> None:
    with pytest.raises(ValueError, match="no wording yet for the rules"):
        row_of_field(rules)
