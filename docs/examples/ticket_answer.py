"""What an agent is to say of a support ticket, as a Pydantic model: `docs.examples.ticket_answer:TicketAnswer`."""

from typing import Literal

from pydantic import BaseModel, Field


class TicketAnswer(BaseModel):
    """A ticket, sorted."""

    category: Literal["billing", "bug", "account", "delivery", "other"]
    urgency: int = Field(ge=1, le=5, description="5: somebody has to act within the hour.")
    order: str | None = Field(description="The order's number, where the ticket names one.")
