"""Exceptions of the storage; the docstring of each is its sentence, with {} for its arguments."""


class StorageError(Exception):
    """Storage failed"""

    def __init__(self, *arguments: object) -> None:
        super().__init__((type(self).__doc__ or "").format(*arguments))


class Invalid(StorageError):
    """{}"""


class InvalidCursor(Invalid):
    """Invalid cursor"""


class TooSlow(StorageError):
    """This would take longer than {} milliseconds; use fewer words, fewer filters or a smaller limit"""


class NotFound(StorageError):
    """Not found"""


class EntityNotFound(NotFound):
    """Entity not found"""


class EntityDeleted(NotFound):
    """Entity has been deleted"""


class EntityTypeNotFound(NotFound):
    """Entity type {} not found"""


class ApiKeyNotFound(NotFound):
    """API key {} not found; list the keys with: struere-local keys list"""


class OutsideScope(StorageError):
    """The API key's scope does not include {}"""


class StorageFailed(StorageError):
    """Storage failed"""


class StorageFull(StorageFailed):
    """Storage is full"""


class StorageBusy(StorageFailed):
    """Storage is busy; try again"""


class StorageBroken(StorageFailed):
    """Storage cannot be read or written"""


class Refused(StorageError):
    """{}"""


class Gone(Refused):
    """{} is no longer there; move it back, or stop the server and restore a backup"""
