"""One settings file; the environment decides, and nothing exists only in production."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from config.env import (
    database,
    env_bool,
    env_device,
    env_int,
    env_list,
    env_oid,
    env_price,
    env_secret,
    env_str,
)

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env_str("STRATA_VAR", str(BASE_DIR / "var")))
VAR.mkdir(parents=True, exist_ok=True)

DEBUG = env_bool("DEBUG", default=False)
# The embedded default: one machine, no server, keys made on first use. Off in earnest.
EMBEDDED = env_bool("STRATA_EMBEDDED", default=True)


def _secret_key() -> str:
    given = env_secret("SECRET_KEY")
    if given:
        return given
    if not EMBEDDED:
        raise ImproperlyConfigured(
            "SECRET_KEY (or SECRET_KEY_FILE) must be set when STRATA_EMBEDDED is off."
        )
    path = VAR / "secret_key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(get_random_secret_key())
    return path.read_text().strip()


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if EMBEDDED else "")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
SITE_URL = env_str("SITE_URL", f"http://127.0.0.1:{env_int('PORT', 8000)}")
HTTPS = SITE_URL.startswith("https://")

INSTALLED_APPS = [
    "config",
    "compliance.audit",
    "compliance",
    "assessments",
    "incidents",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "template_partials",
]
if env_bool("STRATA_SAML", default=False):
    INSTALLED_APPS.append("allauth.socialaccount.providers.saml")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "compliance.views.middleware.ActorMiddleware",
    "compliance.views.middleware.RefusalMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "compliance.views.context.house",
            ],
        },
    },
]

# No ATOMIC_REQUESTS: with IMMEDIATE transactions every GET would take the write lock.
DATABASES = {"default": database(env_secret("DATABASE_URL"), VAR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- people -------------------------------------------------------------------------------
AUTH_USER_MODEL = "compliance.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "today"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "compliance.views.accounts.NoSignUpAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = False
ALLAUTH_TRUSTED_PROXY_COUNT = env_int("TRUSTED_PROXY_COUNT", 0)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
MFA_TOTP_ISSUER = "Strata"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_ADAPTER = "compliance.views.accounts.KnownPeopleOnlyAdapter"
USERSESSIONS_TRACK_ACTIVITY = True
if env_str("OIDC_ISSUER"):
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": env_str("OIDC_ID", "sso"),
                    "name": env_str("OIDC_NAME", "Single sign-on"),
                    "client_id": env_str("OIDC_CLIENT_ID"),
                    "secret": env_secret("OIDC_CLIENT_SECRET"),
                    "settings": {"server_url": env_str("OIDC_ISSUER")},
                }
            ],
        }
    }
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "strata_session"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = True

# --- headers ------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_SSL_REDIRECT = HTTPS and not env_bool("TLS_ENDS_AT_PROXY", default=True)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
        "object-src": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# --- words and times ----------------------------------------------------------------------
LANGUAGE_CODE = "en"
# Reports and their papers can be had in each of these; pages stay in LANGUAGE_CODE, which is why no
# middleware asks the browser.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "compliance" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- cache: sign-in limits and sessions must be one for all web processes --------------------
_CACHE_URL = env_secret("CACHE_URL")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _CACHE_URL}
        if _CACHE_URL
        else {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(VAR / "cache"),
        }
    )
}

# --- static files -------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a folder that is not there
# WhiteNoise warns where it does not exist; it is filled by collectstatic, or never.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

# --- work ---------------------------------------------------------------------------------
# The broker only rings the bell: it may be wiped at any moment and nothing is lost.
_SPOOL = VAR / "bells"
CELERY_BROKER_URL = env_secret("CELERY_BROKER_URL") or "filesystem://localhost/"
if CELERY_BROKER_URL.startswith("filesystem"):
    for folder in ("messages", "processed", "tmp", "control"):
        (_SPOOL / folder).mkdir(parents=True, exist_ok=True)
    # kombu writes to TMPDIR and renames: both must lie on one filesystem.
    tempfile.tempdir = str(_SPOOL / "tmp")
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(_SPOOL / "messages"),
        "data_folder_out": str(_SPOOL / "messages"),
        "control_folder": str(_SPOOL / "control"),
        "store_processed": False,
        "polling_interval": 0.3,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "retry_on_timeout": True,
    }
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ALWAYS_EAGER = env_bool("CELERY_TASK_ALWAYS_EAGER", default=False)

# What the keeper rings, every so many seconds: (task, queue, seconds).
STRATA_SCHEDULE = [
    ("assessments.sweep_gates", "default", 60),
    ("assessments.follow_scans", "default", 15),
    ("compliance.recompute_clocks", "default", 60),
    ("compliance.reconcile_filings", "documents", 15),
    ("compliance.sweep_calendar", "default", 60),
    ("compliance.sweep_releases", "default", 60),
    ("compliance.watch_expiry", "default", 3600),
    ("assessments.watch_waivers", "default", 3600),
    ("incidents.ring_deadlines", "default", 15),
    ("incidents.ring_filings", "default", 30),
    ("incidents.escalate_due", "default", 15),
    ("incidents.watch_silence", "default", 60),
    ("incidents.watch_serving", "default", 30),
]
STRATA_SWEEP_SECONDS = env_int("STRATA_SWEEP_SECONDS", 5)
# docs/scan-workers.md tells what these three are for.
STRATA_SCAN_DEVICE = env_device("STRATA_SCAN_DEVICE")
STRATA_SCAN_LEASE_SECONDS = env_int("STRATA_SCAN_LEASE_SECONDS", 60)
STRATA_SCAN_COST_PER_HOUR = env_price("STRATA_SCAN_COST_PER_HOUR")
# How long after the first failed sending the second one follows; each further wait doubles.
STRATA_RETRY_SECONDS = env_int("STRATA_RETRY_SECONDS", 5)

# --- the record, files and keys -----------------------------------------------------------
STRATA_KEYS = Path(env_str("STRATA_KEYS", str(VAR / "keys")))
STRATA_KEYS.mkdir(parents=True, exist_ok=True, mode=0o700)
STRATA_KEK_FILE = STRATA_KEYS / "kek"
STRATA_LOG_KEY_FILE = STRATA_KEYS / "log_key"
STRATA_LOG_ORIGIN = env_str("STRATA_LOG_ORIGIN", "strata.local/log")
STRATA_CREATE_KEYS = EMBEDDED
STRATA_FILES = Path(env_str("STRATA_FILES", str(VAR / "files")))
# Folders below which model files may be registered from the browser; commands may read any.
STRATA_MODEL_ROOTS = [Path(p) for p in env_list("STRATA_MODEL_ROOTS", str(VAR / "models"))]
# The folder below which autoencoders may be registered from the browser and the API; the same path
# on the machines of the scan workers. Commands may read any.
STRATA_SAE_ROOT = Path(env_str("STRATA_SAE_ROOT", str(VAR / "saes")))
STRATA_ANONYMITY_KEY = SECRET_KEY

# --- the outside --------------------------------------------------------------------------
EMAIL_BACKEND = env_str("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST = env_str("EMAIL_HOST", "127.0.0.1")
EMAIL_PORT = env_int("EMAIL_PORT", 1025 if EMBEDDED else 587)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", default=not EMBEDDED)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env_str("DEFAULT_FROM_EMAIL", "strata@localhost")
# Hosts (host:port) that outgoing calls may reach; loopback is refused unless it stands here.
STRATA_EGRESS = env_list("STRATA_EGRESS")
# Ways to reach recipients: JSON, name -> {"label", "way": http|sftp|email|manual, "config": {…}},
# with "regimes" and "authorities" where a way is for some reports alone.
STRATA_FILING_WAYS = Path(env_str("STRATA_FILING_WAYS", str(VAR / "filing_ways.json")))
# An outside time-stamping authority (RFC 3161): its address, whose host stands in STRATA_EGRESS; a file
# of PEM certificates that its signatures must lead to; and the one policy that is taken, if one is.
STRATA_TSA_URL = env_str("STRATA_TSA_URL")
_TSA_CERTIFICATES = env_str("STRATA_TSA_CERTIFICATES")
STRATA_TSA_CERTIFICATES = Path(_TSA_CERTIFICATES) if _TSA_CERTIFICATES else None
STRATA_TSA_POLICY = env_oid("STRATA_TSA_POLICY")
if STRATA_TSA_URL and STRATA_TSA_CERTIFICATES is None:
    raise ImproperlyConfigured(
        "STRATA_TSA_URL is set; STRATA_TSA_CERTIFICATES must name the certificates to check by."
    )

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "config.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env_str("LOG_LEVEL", "WARNING")},
}
