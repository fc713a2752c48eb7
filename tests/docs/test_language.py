"""Words to avoid in code, contract and documentation; CONTRIBUTING.md has the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.paths import ROOT

ROOTS = ("gateway", "protos/acs", "docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")
SUFFIXES = {".md", ".proto", ".py"}
GLOSSARY = re.compile(r"^## Glossary$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)

# Between the words of a wrapped comment there is also its mark.
GAP = r"[\s#/]+"

# Words to avoid, as a regular expression in any case, and better ones. A space matches a GAP.
RULES = {
    r"who|whom|whose|whoever": "a noun: caller, client, operator, participant",
    r"nobody|somebody|everybody": "a noun: no caller, a participant, every client",
    r"what (?:is|there|comes|one)": "a noun instead of the clause",
    r"answers?": "response; the verbs respond, return",
    r"(?:is|are|be) told|tells|hears?|says": "report, return; notify, notification",
    r"in vain": "cannot help, has no effect",
    r"lest": "so that … not",
    r"of (?:its|our|their|one's) own": "separate, its own …; or leave it out",
    r"besides?": "next to, in addition to, concurrent with",
    r"people": "participant; personal data",
    r"faults?": "error, defect; a fault is what the emulator injects",
    r"(?:a|free|no) places?|places? for (?:a )?calls?": "slot",
    r"takes? (?:their |its )?turns?|in turn|by turns": "fair scheduling; alternately, in order",
    r"turn(?:s|ed|ing)? away": "reject; throttled",
    r"(?:the|a) stop": "graceful shutdown, drain",
}

EMULATOR = "a fault of the emulator"


@dataclass(frozen=True, slots=True)
class Exempt:
    """Findings of a rule that are correct."""

    rule: str
    path: str
    """File, or folder with a slash at its end; empty for all."""
    line: str
    """Regular expression that the line of the finding must match; empty for all."""
    reason: str


EXCEPTIONS = (
    *(
        Exempt("faults?", path, "", EMULATOR)
        for path in (
            "gateway/rooms_emulator/",
            "gateway/rooms_gateway/pytest_plugin.py",
            "gateway/rooms_gateway/testing/",
            "docs/emulator.md",
            "docs/how-to/test-in-any-language.md",
            "docs/how-to/test-your-failures.md",
            "docs/reliability.md",
        )
    ),
    Exempt("faults?", "", r"[Ee]mulator|inject|FaultPlan|make faults", EMULATOR),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Words to avoid, and where they are."""

    path: str
    number: int
    words: str
    line: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: {self.words!r} in: {self.line.strip()[:100]}"


def texts() -> dict[str, str]:
    """Map the checked files to their content, without the glossary."""
    found = {}
    for root in map(ROOT.joinpath, ROOTS):
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES:
                text = path.read_text(encoding="utf-8")
                name = path.relative_to(ROOT).as_posix()
                found[name] = GLOSSARY.sub("", text) if name == "CONTRIBUTING.md" else text
    return found


TEXTS = texts()


def findings(rule: str, path: str, text: str) -> Iterator[Finding]:
    words = rule.replace(" ", GAP)
    for match in re.finditer(rf"\b(?:{words})\b", text, re.IGNORECASE):
        start = text.rfind("\n", 0, match.start()) + 1
        line = text[start:].partition("\n")[0]
        yield Finding(path, text.count("\n", 0, start) + 1, " ".join(match[0].split()), line)


def exempts(exempt: Exempt, rule: str, finding: Finding) -> bool:
    inside = finding.path == exempt.path or finding.path.startswith(exempt.path)
    return exempt.rule == rule and inside and re.search(exempt.line, finding.line) is not None


@pytest.mark.parametrize("rule", RULES)
def test_words_to_avoid(rule: str) -> None:
    found = [
        str(finding)
        for path, text in TEXTS.items()
        for finding in findings(rule, path, text)
        if not any(exempts(each, rule, finding) for each in EXCEPTIONS)
    ]
    assert not found, "\n".join([f"better: {RULES[rule]} (CONTRIBUTING.md#glossary)", *found])


@pytest.mark.parametrize("exempt", EXCEPTIONS, ids=lambda each: f"{each.rule} {each.path}")
def test_exception_is_needed(exempt: Exempt) -> None:
    assert any(
        exempts(exempt, exempt.rule, finding)
        for path, text in TEXTS.items()
        for finding in findings(exempt.rule, path, text)
    )


@pytest.mark.parametrize(
    ("rule", "text", "number", "words"),
    [
        ("answers?", "one\nThe Answers.", 2, "Answers"),
        (r"what (?:is|there|comes|one)", "# Reads what\n    # is there.", 1, "what # is"),
        (r"of (?:its|our|their|one's) own", "a b\na port of\nits own", 2, "of its own"),
    ],
)
def test_finding_has_line_and_words(rule: str, text: str, number: int, words: str) -> None:
    [finding] = findings(rule, "x.py", text)
    assert (finding.number, finding.words) == (number, words)


def test_parts_of_identifiers_are_not_found() -> None:
    assert list(findings("people", "x.proto", "show_identifiers, names_somebody")) == []


def test_glossary_is_in_the_contributing_guide() -> None:
    text = ROOT.joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
    section = GLOSSARY.search(text)
    assert section is not None
    rows = [line for line in section[0].splitlines() if line.startswith("| ")]
    assert len(rows) > 50
    assert all(row.count("|") == 4 for row in rows)
