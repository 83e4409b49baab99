from django.conf import settings

from gong_views import ViewQueue

# One queue a process. Making it connects to nothing; it is safe with threads and forks.
queue = ViewQueue(source="content-hub", on_unavailable="spool", spool_path=settings.GONG_SPOOL)
