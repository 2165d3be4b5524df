from .space import Architecture as Architecture
from .space import Dimension as Dimension
from .space import Space as Space
from .toy import ToySpace as ToySpace
