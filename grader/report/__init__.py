"""The last hop: a `GradeResult` becomes text, JSON or HTML.

Nothing in here computes a verdict; each format shows what the record says.
"""
