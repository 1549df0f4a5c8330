from .boards import action as action
from .boards import guests as guests
from .boards import pools as pools
from .boards import volumes as volumes
from .format_form import formats as formats
from .mount_view import mounts as mounts
from .upload_form import upload as upload

__all__: list[str]
