"""How objects of some length share pages: zsmalloc zspage by zspage, zbud, z3fold."""
