"""The HTML report: one self-contained page about one record, or about two of the same videos."""
