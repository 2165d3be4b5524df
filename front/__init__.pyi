from . import benchmarks as benchmarks
from . import neural_data as neural_data
from . import plugins as plugins
from . import rsa as rsa
from .neural_data import compare_models as compare_models
from .neural_data import load_teacher as load_teacher
from .neural_data import score as score
from .rsa import RDM as RDM
from .rsa import Teacher as Teacher
from .rsa import TeacherScore as TeacherScore
from .rsa import TGSageError as TGSageError
from .rsa import compute_rdm as compute_rdm
from .rsa import load_model as load_model

__version__: str
