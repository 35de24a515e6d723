from .app import create_app as create_app
from .client import Client as Client
from .client import FoundSound as FoundSound
from .served import ServedModels as ServedModels
from .served import load_models as load_models
from .server import run as run
from .service import SoundService as SoundService
from .settings import ServeSettings as ServeSettings
