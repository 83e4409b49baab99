"""The least that Django wants."""

import os
from pathlib import Path

DATA = Path(os.environ.get("DATA", "."))
SECRET_KEY = "only for this example"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "content.urls"
INSTALLED_APPS = ["content"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "content.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
GONG_SPOOL = DATA / "gong-spool.db"  # a disk that lasts
