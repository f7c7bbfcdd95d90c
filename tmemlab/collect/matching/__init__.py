"""From raw records to events of pages: who a page is, where it went, what came back."""
