"""What inference costs: multiply-adds (`flops`) and time, memory and energy (`speed`).

In: a method, its clip plan and videos. Out: a record's fields of cost and speed.
"""
