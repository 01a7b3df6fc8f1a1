"""How well a plane separates foreground from background in an encoder's features.

A linear probe is fitted to the cells of the encoder's maps in training videos, and judged on held
out ones by the area under its ROC curve: 0.5 for features that say nothing, 1 for features that a
plane separates.

    python -m methods.training.separability ms_sts_mini_synthetic --weights FILE [--against FILE]

Of SeqFormer and MS-STS, whose maps have strides 8, 16, 32 and 64. A cell is foreground where
instances cover more than half of it, background where they cover less than a tenth (or another
share), and left out in between.

Shape letters: T frames, S cells of all levels, C channels, N cells that count, V videos.
"""
