"""f: which k scalars of a model's answer are explained. Knows nothing about tokenizing, paths or quadrature."""
