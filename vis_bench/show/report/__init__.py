"""The HTML report: one page about one record, or about two of the same videos.

In: records (or results files), annotations, frames where they are at hand. Out: one file that
needs no network.

`samples` gives intervals of their numbers. A file for each part of the
page: `subjects` (what was measured, on what machine), `metrics` (the headline numbers and the
categories), `errors`, `costs`, and `videos`, with `choice` (which videos), `player` (their frames)
and `timelines` (what happens to each object). `plots` draws, `table` is what the page sorts, `page`
puts everything together in the templates.
"""
