"""Which requests are the API's, and in whose shape their errors are told."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from .errors import Problem

Face = Callable[[HttpRequest, Problem], HttpResponse]


def is_api(request: HttpRequest) -> bool:
    """Return whether `request` is the API's: authenticated by a token, with no session and no cookie.

    The documentation is a page, though it lies below.
    """
    path = request.path_info
    return path.startswith(tuple(settings.ARBORETUM_API_FACES)) and not path.startswith(settings.ARBORETUM_API_PAGES)


def face_of(request: HttpRequest) -> Face:
    """Return what puts a problem into the shape of the face that `request` (one of the API's) was sent to."""
    faces: dict[str, str] = settings.ARBORETUM_API_FACES
    name = next(name for prefix, name in faces.items() if request.path_info.startswith(prefix))
    face: Face = import_string(name)
    return face
