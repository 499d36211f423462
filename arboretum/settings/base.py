"""Django's own settings: apps, middleware, templates, static files, security."""

from .environment import (
    ARBORETUM_ENV as ARBORETUM_ENV,
)
from .environment import (
    DATA_DIR,
    ENVIRONMENTS,
    IS_PRODUCTION,
    encryption_keys,
    env,
    secret_key,
    trusted_origins,
)

ARBORETUM_ENVIRONMENTS = ENVIRONMENTS
ARBORETUM_DATA_DIR = DATA_DIR
ARBORETUM_ENCRYPTION_KEYS = encryption_keys()
SECRET_KEY = secret_key()
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if IS_PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
PORT = env.int("PORT", default=8000, least=1, most=65535)

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_results",
    "django_htmx",
    "ninja",
    "django_structlog",
    "arboretum.apps.ArboretumConfig",
    "workers",
    "credentials",
    "agents",
    "batches",
    "dashboard",
]

# Requests of the API meet the first three and the static files alone: the pages' own let them pass.
MIDDLEWARE = [
    "dashboard.health.HealthMiddleware",
    "credentials.api.middleware.ApiMiddleware",
    "dashboard.middleware.content_security",
    "dashboard.page_middleware.security",
    "dashboard.static_files.StaticFilesMiddleware",
    "dashboard.page_middleware.sessions",
    "dashboard.page_middleware.common",
    "dashboard.page_middleware.csrf",
    "dashboard.page_middleware.authentication",
    "dashboard.page_middleware.messages",
    "dashboard.page_middleware.clickjacking",
    "dashboard.page_middleware.request_log",
    "dashboard.page_middleware.htmx",
    "dashboard.page_middleware.sign_in_required",
]

# The faces of the API: where each begins, and what puts an error into its shape.
ARBORETUM_API_FACES = {
    "/api/v1/": "credentials.api.errors.native_response",
    "/v1/": "batches.openai_api.errors.problem_response",
}
# Asked how long a body may be that is too long to be kept in memory.
ARBORETUM_API_LONG_BODIES = "credentials.api.bodies.check_long_body"
# What lies there and is a page all the same: the documentation.
ARBORETUM_API_PAGES = ("/api/v1/docs",)

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.site",
            ],
        },
    },
]

ROOT_URLCONF = "arboretum.urls"
ASGI_APPLICATION = "arboretum.asgi.application"
AUTH_USER_MODEL = "credentials.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "sign-in"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Behind TLS in production; HTTPS=0 is for a stack that is reached over plain HTTP inside a closed network.
HTTPS = env.bool("HTTPS", default=IS_PRODUCTION)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# A proxy that speaks TLS passes requests on over plain HTTP, while the browser names an https:// address.
CSRF_TRUSTED_ORIGINS = trusted_origins(ALLOWED_HOSTS) if HTTPS else []
# Whose X-Forwarded-For and X-Forwarded-Proto uvicorn believes; Procfile, containers and `manage.py up` pass it on.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", default=["127.0.0.1", "::1"])

# Requests of one API token within a minute, where the token has no limit of its own.
ARBORETUM_TOKEN_REQUESTS_PER_MINUTE = env.int(
    "ARBORETUM_TOKEN_REQUESTS_PER_MINUTE", default=6000, least=1, most=1_000_000
)
# Database work of API requests at once, each with a connection that is kept.
ARBORETUM_API_THREADS = env.int("ARBORETUM_API_THREADS", default=16, least=1, most=256)

# What the guarded client (workers.http) may call: webhooks and abilities go through it, calls of providers do not.
ARBORETUM_OUTBOUND_SCHEMES = env.schemes("ARBORETUM_OUTBOUND_SCHEMES", default=["https", "http"])
ARBORETUM_OUTBOUND_PORTS = env.ports("ARBORETUM_OUTBOUND_PORTS", default=[443, 80])
ARBORETUM_OUTBOUND_ALLOW = env.places("ARBORETUM_OUTBOUND_ALLOW")
