"""Ways to tell people: e-mail, webhook, chat, and a Null one that says it tells nobody."""
