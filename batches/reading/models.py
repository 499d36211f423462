"""The models that the lines of a file name: each is looked up once."""

from dataclasses import dataclass

from agents.llm.types import Price
from agents.model_names import AGENT_PREFIX, resolve_model
from agents.services import spec_of
from agents.spec import AgentSpec
from batches.endpoints import Endpoint
from credentials.models import User
from workers.errors import InvalidInput, NotFound

from .problems import BadLine, ProblemCode

# Each model that is asked for takes rows of its own in the database (agents.plain_models).
MOST_MODELS = 1_000
# Longer than any name of a model: a prefix or a credential's name, and what stands behind it.
LONGEST_NAME = 500
_PARAM = "body.model"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """What a name stands for."""

    version_id: int
    spec: AgentSpec
    provider: str


class Models:
    """Models by the names that lines give them, for one user and one endpoint."""

    def __init__(self, user: User, endpoint: Endpoint) -> None:
        """Look up for `user` what can answer at `endpoint`."""
        self._user = user
        self._endpoint = endpoint
        self._found: dict[str, NamedModel | BadLine] = {}

    def named(self, name: object) -> NamedModel:
        """Return the model called `name`. Raises BadLine."""
        if name is None:
            raise BadLine(ProblemCode.MISSING_PARAMETER, f"Missing required parameter: '{_PARAM}'.", _PARAM)
        if not isinstance(name, str):
            raise BadLine(ProblemCode.INVALID_REQUEST, f"{_PARAM} must be a text.", _PARAM)
        if len(name) > LONGEST_NAME:
            raise BadLine(ProblemCode.MODEL_NOT_FOUND, f"There is no model '{name[:100]}...'.", _PARAM)
        found = self._found.get(name)
        if found is None:
            if len(self._found) >= MOST_MODELS:
                raise BadLine(
                    ProblemCode.INVALID_REQUEST, f"More than {MOST_MODELS:,} models are named in the file.", _PARAM
                )
            found = self._found[name] = self._look_up(name)
        if isinstance(found, BadLine):
            raise found
        return found

    def _look_up(self, name: str) -> NamedModel | BadLine:
        try:
            version = resolve_model(self._user, name, self._endpoint.operation)
        except InvalidInput as error:
            is_name = "/" in name or name.startswith(AGENT_PREFIX)
            unknown = isinstance(error, NotFound) or not is_name
            code = ProblemCode.MODEL_NOT_FOUND if unknown else ProblemCode.INVALID_REQUEST
            return BadLine(code, str(error), _PARAM)
        # Prices do not matter here, and looking them up would take a query.
        return NamedModel(version.pk, spec_of(version, Price()), version.credential.provider)
