from .config import RunConfig as RunConfig
