# What the package gives, and from where. A name is loaded when it is first used; see __init__.py.
from . import images as images
from .errors import KvmnbError as KvmnbError
from .host import Host as Host
from .host import connect as connect
from .notebook.charts import chart_growth as chart_growth
from .notebook.charts import chart_layers as chart_layers
from .notebook.charts import chart_sizes as chart_sizes
from .notebook.charts import chart_speed as chart_speed
from .notebook.progress import progress_bar as progress_bar
from .notebook.tables import show as show
from .planning import create_pool as create_pool
from .planning import create_volume as create_volume
from .planning import propose_target as propose_target
from .planning import remove_pool as remove_pool
from .storage.actions import BuildPool as BuildPool
from .storage.actions import CloneVolume as CloneVolume
from .storage.actions import CreateVolume as CreateVolume
from .storage.actions import DefinePool as DefinePool
from .storage.actions import DeletePool as DeletePool
from .storage.actions import DeleteVolume as DeleteVolume
from .storage.actions import DownloadVolume as DownloadVolume
from .storage.actions import RefreshPool as RefreshPool
from .storage.actions import ResizeVolume as ResizeVolume
from .storage.actions import SetPoolAutostart as SetPoolAutostart
from .storage.actions import StartPool as StartPool
from .storage.actions import StopPool as StopPool
from .storage.actions import UndefinePool as UndefinePool
from .storage.actions import UploadVolume as UploadVolume
from .storage.actions import WipeVolume as WipeVolume
from .storage.model import PoolSpec as PoolSpec
from .storage.model import Problem as Problem
from .storage.plan import Plan as Plan
from .units import format_size as format_size
from .units import parse_size as parse_size

__version__: str
__all__: list[str]
