# rename: f_string local_one lin k
'''Odd spellings: semicolons, nested functions with one name, shadowed imports, deletes.'''
from torch import nn; import torch
import math as m, itertools
from math import pi as PI

def helper(nn): return nn * 2 ; 

class Model ( nn . Module ) :
    x = 3 ; y : int = 4
    pairs = [(a, b) for a in (1, 2) for b in (a, 3)]
    def __init__( self , input_shape , num_classes , ) :
        "doc"
        super ( ) . __init__ ( )
        local_one = [ self . x , ] ; del local_one [ 0 ]
        self . lin = nn . Linear ( 40 , num_classes , bias = ( True ) ) # comment
        self.f_string = f"{PI:.{self.y}f} {m.e!r} {'a' 'b'}" "tail" '\x41'
    def forward ( self , x ) :
        r"""raw doc"""
        if not x.dim() : pass
        elif x.dim() == 2 : ...
        else :
            x = x.flatten(1)
        k = (lambda x, *a, **kw: (x, a, kw))(x)[0]
        return self.lin(k) * 0x1 + 1e0 * helper(0) + len(self.f_string) * 0.
