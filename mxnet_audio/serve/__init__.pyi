from .app import create_app as create_app
from .client import Client as Client
from .server import run as run
from .served import ServedModels as ServedModels
from .served import load_models as load_models
from .service import SoundService as SoundService
from .settings import ServeSettings as ServeSettings
