"""The grader of the GLib Async Workbook; `grader/__main__.py` is the way in."""
