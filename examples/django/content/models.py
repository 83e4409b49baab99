from typing import Any

from django.db import models


class Deck(models.Model):
    title = models.CharField(max_length=200)


class DeckView(models.Model):
    deck = models.ForeignKey(Deck, on_delete=models.CASCADE)
    email = models.EmailField()
    viewed_at = models.DateTimeField(auto_now_add=True)

    def as_gong_event(self) -> dict[str, Any]:
        return {
            "reportingSystem": "content-hub",
            "eventId": f"deck-view-{self.pk}",
            "eventTimestamp": self.viewed_at.isoformat(),
            "contentId": str(self.deck.pk),
            "contentUrl": f"https://content.example/decks/{self.deck.pk}",
            "contentTitle": self.deck.title,
            "viewer": {"email": self.email},
        }
