"""The cost of inference: multiply-adds (`flops`); time, memory and energy (`speed`)."""
