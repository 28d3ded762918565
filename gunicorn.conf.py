"""gunicorn's own settings for `gunicorn wsgi:app`, from STRUERE_* variables and instance/config.py."""

from app.config import SettingError, load
from app.serve import gunicorn_settings

try:
    globals().update(gunicorn_settings(load()))
except SettingError as error:
    raise SystemExit(f"struere-local: {error}") from None
