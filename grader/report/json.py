"""The verdict as one JSON object, the interface that other tools rely on."""

from __future__ import annotations

import json
from typing import Any

from grader.records import GradeResult, Run

SCHEMA = 1


def render(result: GradeResult) -> str:
    """The object as text that ends in a newline.  Times are in seconds."""
    return json.dumps(to_object(result), indent=2, ensure_ascii=True) + "\n"


def to_object(result: GradeResult) -> dict[str, Any]:
    """The same as plain dictionaries and lists."""
    evidence = result.evidence
    module = evidence.submission.module
    return {
        "schema": SCHEMA,
        "module": module.id,
        "submission": evidence.submission.name,
        "verdict": result.verdict,
        "score": result.score,
        "max_score": result.max_score,
        "elapsed": {
            "wall_s": _elapsed(evidence.wall),
            "virtual_s": _elapsed(evidence.virtual),
            "one_after_another_s": module.console.one_after_another_s,
            "cpu_s": round(evidence.wall.cpu_s, 3) if evidence.wall else None,
        },
        "diagnoses": [
            {
                "id": one.id,
                "title": one.text.title,
                "evidence": one.evidence,
                "why": one.text.why,
                "next": one.text.next,
                "lesson": one.text.lesson,
                "lines": list(one.lines),
            }
            for one in result.diagnoses
        ],
        "checks": [
            {
                "id": check.id,
                "title": check.title,
                "status": check.status,
                "points": check.points,
                "max_points": check.max_points,
                "message": check.message,
                "diagnosis": check.diagnosis,
            }
            for check in result.checks
        ],
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


def _elapsed(run: Run | None) -> float | None:
    return round(run.elapsed_s, 3) if run else None
