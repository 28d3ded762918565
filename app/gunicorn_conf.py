"""gunicorn's own settings, from ours: gunicorn -c python:struere_local.gunicorn_conf 'struere_local:create_app()'."""

from .config import SettingError, load
from .serve import gunicorn_settings

try:
    globals().update(gunicorn_settings(load()))
except SettingError as error:
    raise SystemExit(f"struere-local: {error}") from None
