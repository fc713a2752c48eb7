import subprocess
import sys
from pathlib import Path

import pytest
from buf.validate import validate_pb2
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "generate_reference.py"
DESCRIPTORS = ROOT / "generated" / "acs" / "rooms" / "v1" / "descriptors.binpb"


def generate(descriptors: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPT, descriptors, out], capture_output=True, text=True, check=False
    )


def generate_field(tmp_path: Path, rules: str) -> str:
    """Generate a page for one field with these rules; return its row, or what went wrong."""
    field = FieldDescriptorProto(name="f", type=FieldDescriptorProto.TYPE_STRING)
    text_format.Parse(rules, field.options.Extensions[validate_pb2.field])
    file = FileDescriptorProto(
        package="acs.x.v1", message_type=[DescriptorProto(name="M", field=[field])]
    )
    (tmp_path / "in").write_bytes(FileDescriptorSet(file=[file]).SerializeToString())
    done = generate(tmp_path / "in", tmp_path / "out")
    if done.returncode:
        return done.stderr
    return next(line for line in (tmp_path / "out").read_text().splitlines() if "`f`" in line)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("reference") / "api.md"
    done = generate(DESCRIPTORS, out)
    assert (done.returncode, done.stderr) == (0, "")
    return out.read_text()


def test_every_element_of_the_contract_appears_with_its_whole_comment(page: str) -> None:
    said = " ".join(page.replace("<br>", " ").replace("`", "").replace("text\n", "").split())
    descriptors = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    ours = [file for file in descriptors.file if file.package.startswith("acs.")]
    comments = [
        " ".join(location.leading_comments.replace("`", "").split())
        for file in ours
        for location in file.source_code_info.location
        if location.leading_comments and len(location.path) in {2, 4}
    ]
    assert len(comments) > 80
    assert [comment for comment in comments if comment not in said] == []


def test_every_element_of_the_contract_appears_by_name(page: str) -> None:
    descriptors = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    names = set()
    for file in descriptors.file:
        if file.package.startswith("acs."):
            for service in file.service:
                names |= {f"#### {service.name}.{method.name}\n" for method in service.method}
            for message in file.message_type:
                names |= {f"#### {message.name}\n", *(f"| `{f.name}` |" for f in message.field)}
                assert not message.nested_type
            for enum in file.enum_type:
                names |= {f"#### {enum.name}\n", *(f"| `{v.name}` |" for v in enum.value)}
    assert {name for name in names if name not in page} == set()


def test_every_link_leads_to_exactly_one_place_on_the_page(page: str) -> None:
    targets = {part.partition(")")[0] for part in page.split("](#")[1:]}
    assert len(targets) > 20
    assert {target: page.count(f'<a id="{target}">') for target in targets} == dict.fromkeys(
        targets, 1
    )


def test_only_our_packages_are_on_the_page(page: str) -> None:
    assert "## Package acs.rooms.v1\n" in page
    assert page.count("## Package ") == page.count("## Package acs.")
    assert "FileDescriptorProto" not in page


def test_the_committed_page_is_what_the_script_writes(page: str) -> None:
    assert (ROOT / "docs" / "reference" / "api.md").read_text() == page


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
def test_rules_are_put_into_words(rules: str, expected: str, tmp_path: Path) -> None:
    row = generate_field(tmp_path, rules)
    assert row == f"| `f` | string | {expected} |  |"


@pytest.mark.parametrize(
    "rules",
    [
        "string { email: true }",
        "int32 { gt: 0 }",
        'repeated { items { string { prefix: "8:" } } }',
    ],
)
def test_a_rule_without_words_is_an_error_and_not_left_out(rules: str, tmp_path: Path) -> None:
    message = generate_field(tmp_path, rules)
    assert "there are no words yet for the rules" in message
