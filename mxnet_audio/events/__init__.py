"""Events in long recordings: windows of a timeline are merged, and written to label files. Nothing here needs MXNet."""

from mxnet_audio.events.label_files import label_file_format, read_events, write_events
from mxnet_audio.events.timeline import Event, find_events, label_thresholds

__all__ = ["Event", "find_events", "label_file_format", "label_thresholds", "read_events", "write_events"]
