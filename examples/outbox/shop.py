"""The view and its event in one transaction; `gong-views relay` takes the event to the queue."""

import os

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gong_views import outbox


class Base(DeclarativeBase):
    pass


class DeckView(Base):
    __tablename__ = "deck_views"
    id: Mapped[int] = mapped_column(primary_key=True)
    deck_id: Mapped[int]
    email: Mapped[str]


def deck_viewed(session: Session, deck_id: int, email: str) -> None:
    view = DeckView(deck_id=deck_id, email=email)
    session.add(view)
    session.flush()  # gives the view its id
    outbox.add(
        session,
        {
            "reportingSystem": "shop",
            "eventId": f"deck-view-{view.id}",
            "eventTimestamp": "2026-07-01T12:34:56Z",
            "contentId": f"deck-{deck_id}",
            "contentUrl": f"https://shop.example/decks/{deck_id}",
            "contentTitle": "Pricing overview",
            "viewer": {"email": email},
        },
    )


if __name__ == "__main__":
    engine = create_engine(os.environ["GONG_VIEWS_OUTBOX_URL"])
    Base.metadata.create_all(engine)
    outbox.metadata.create_all(engine)  # with Alembic: see docs/outbox.md
    with Session(engine) as session:
        deck_viewed(session, 42, "dana@globex.example")
        session.commit()  # both or neither
        deck_viewed(session, 43, "kim@initech.example")
        session.rollback()  # no view, no event
