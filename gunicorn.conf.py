"""gunicorn's own settings for `gunicorn wsgi:app`, from STRUERE_* variables and instance/config.py."""

from app.config import load
from app.serve import gunicorn_settings

globals().update(gunicorn_settings(load()))
