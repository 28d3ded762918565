"""The application for a WSGI server: gunicorn wsgi:app."""

from gunicorn.errors import AppImportError

from app import create_app
from app.config import SettingError
from app.storage.errors import StorageError

try:
    app = create_app()
except (SettingError, StorageError) as error:
    # gunicorn prints this one as a line and stops, where it would restart its worker for ever.
    raise AppImportError(f"struere-local: {error}") from None
