"""What the native API's routes are made of: one way to declare them, their schemas, their errors."""

from .paging import Page as Page
from .paging import PageRequest as PageRequest
from .paging import Sorting as Sorting
from .paging import page_of as page_of
from .routes import Later as Later
from .routes import Routes as Routes
from .routes import json_response as json_response
from .schemas import Given as Given
from .schemas import Shown as Shown
