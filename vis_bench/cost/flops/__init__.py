"""Multiply-adds of methods: counted from shapes, missing nothing in silence.

`counter` counts one call by operator (`rules`, `zero_ops`, `selections`) and module, `video` what
the inference loop executes for a whole video. `report` and `tables` say it, `record_fields` puts
it into a record.
"""
