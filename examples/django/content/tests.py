from unittest import mock

from django.test import TestCase

from content.models import Deck
from gong_views.testing import RecordingViewQueue


class ShowDeck(TestCase):
    def test_a_view_is_enqueued_once(self) -> None:
        deck = Deck.objects.create(title="Pricing overview")
        queue = RecordingViewQueue()
        with mock.patch("content.gong.queue", queue), self.captureOnCommitCallbacks(execute=True):
            self.client.get(f"/decks/{deck.pk}", {"email": "dana@globex.example"})
        queue.assert_enqueued(content_id=str(deck.pk), viewer={"email": "dana@globex.example"}, times=1)
