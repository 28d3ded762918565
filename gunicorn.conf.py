"""What `gunicorn wsgi:app` reads by itself in this folder."""

from app.gunicorn_conf import *  # noqa: F403
