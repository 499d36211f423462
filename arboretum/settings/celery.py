"""Celery: direct queues on Redis, JSON only, threads that wait for the process' asyncio loop."""

from kombu import Exchange, Queue

from .environment import env
from .stores import REDIS_URL

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_RESULT_BACKEND = "django-db"
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 7 * 24 * 3600
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"

# Direct exchanges alone: a FLUSHALL drops topic bindings, and with them the messages.
CELERY_TASK_QUEUES = tuple(
    Queue(name, Exchange(name, type="direct"), routing_key=name) for name in ("interactive", "batch", "control")
)
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_DEFAULT_EXCHANGE = "control"
CELERY_TASK_DEFAULT_ROUTING_KEY = "control"
CELERY_TASK_ROUTES = {
    "batches.execute_run": {"queue": "interactive"},
    "batches.execute_lease": {"queue": "batch"},
}

# A thread only waits for the process' loop, so many are cheap; prefork would need a process for each single run.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("ARBORETUM_WORKER_THREADS", default=256, least=1, most=4096)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# What a full process took besides would wait there for its threads, though others have some.
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_SEND_TASK_EVENTS = True
# A run is received a few milliseconds after it was sent, and telling both costs as much as sending it.
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_CONSUMER = "workers.consumer:Consumer"
CELERY_TASK_TRACK_STARTED = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_connections": CELERY_WORKER_CONCURRENCY + 64,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": not REDIS_URL.startswith("unix:"),
    "visibility_timeout": 3600,
}

# Rows of an input file with a larger cell are refused.
ARBORETUM_MAX_CELL_BYTES = env.int("ARBORETUM_MAX_CELL_BYTES", default=1024 * 1024, least=1, most=64 * 1024 * 1024)
# What the store of answers may hold, with what its rows take.
ARBORETUM_CACHE_BYTES = env.int("ARBORETUM_CACHE_BYTES", default=1024**3, least=1024**2, most=1024**4)
# Runs in flight in one worker process, over all batches.
ARBORETUM_WORKER_SLOTS = env.int("ARBORETUM_WORKER_SLOTS", default=500, least=1, most=10_000)
# How long a worker process that has died or hangs keeps its runs, at most.
ARBORETUM_LEASE_SECONDS = env.float("ARBORETUM_LEASE_SECONDS", default=20.0, least=1, most=3600)
# What a worker waits on SIGTERM for calls in flight before it hands their rows back.
ARBORETUM_GRACE_SECONDS = env.float("ARBORETUM_GRACE_SECONDS", default=20.0, least=0, most=3600)
