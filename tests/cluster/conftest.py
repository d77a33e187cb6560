from learnt import learnt

__all__ = ["learnt"]
