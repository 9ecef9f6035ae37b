"""The verdict as one JSON object, the interface that other tools rely on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from grader.records import Diagnosis, Evidence, GradeResult

SCHEMA = 1


def render(result: GradeResult) -> str:
    """The object as text that ends in a newline.  Times are in seconds."""
    return json.dumps(to_object(result), indent=2, ensure_ascii=True) + "\n"


def to_object(result: GradeResult) -> dict[str, Any]:
    """The same as plain dictionaries and lists."""
    evidence = result.evidence
    return {
        "schema": SCHEMA,
        "module": evidence.submission.module.id,
        "submission": evidence.submission.name,
        "verdict": result.verdict,
        "score": result.score,
        "max_score": result.max_score,
        "elapsed": _elapsed(evidence),
        "diagnoses": [_diagnosis(one) for one in result.diagnoses],
        "checks": [asdict(check) for check in result.checks],
        "timeline": [
            {"name": bar.name, "start_s": round(bar.start_s, 3), "end_s": round(bar.end_s, 3)}
            for bar in result.timeline
        ],
        "notes": list(result.notes),
        "grader": {
            "duration_s": round(evidence.duration_s, 3),
            "sandbox": evidence.sandbox,
            "seed": evidence.seed,
            "clock": evidence.virtual.exactness if evidence.virtual else "not measured",
        },
    }


def _elapsed(evidence: Evidence) -> dict[str, float | None]:
    wall, virtual = evidence.wall, evidence.virtual
    return {
        "wall_s": round(wall.elapsed_s, 3) if wall else None,
        "virtual_s": round(virtual.elapsed_s, 3) if virtual else None,
        "one_after_another_s": evidence.submission.module.console.one_after_another_s,
        "cpu_s": round(wall.cpu_s, 3) if wall else None,
    }


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.text.title,
        "evidence": one.evidence,
        "why": one.text.why,
        "next": one.text.next,
        "lesson": one.text.lesson,
        "lines": list(one.lines),
    }
