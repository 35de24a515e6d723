from .connect import connect as connect
from .jobs import EmbedJob as EmbedJob
from .jobs import EventsJob as EventsJob
from .jobs import IndexJob as IndexJob
from .jobs import Job as Job
from .jobs import TagJob as TagJob
from .run import ClusterReport as ClusterReport
from .run import run as run
