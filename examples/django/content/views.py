from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from content import gong
from content.models import Deck, DeckView


@transaction.atomic
def show_deck(request: HttpRequest, deck_id: int) -> HttpResponse:
    deck = get_object_or_404(Deck, pk=deck_id)
    view = DeckView.objects.create(deck=deck, email=request.GET["email"])  # however you know the viewer
    # Only when the view is sure. robust: an error is logged, and the page is shown all the same.
    transaction.on_commit(lambda: gong.queue.enqueue(view.as_gong_event()), robust=True)
    return HttpResponse(deck.title)
