from .boards import action as action
from .boards import guests as guests
from .boards import pools as pools
from .boards import volumes as volumes

__all__: list[str]
