from django.urls import path

from content.views import show_deck

urlpatterns = [path("decks/<int:deck_id>", show_deck)]
