"""Records: one typed JSON file per measured cell.

`schema` the fields; `store` files; `metrics` titles, units and digits of the values; `names` of
cells, their caveats and ablations; `environment` machine and source of a measurement.
"""
