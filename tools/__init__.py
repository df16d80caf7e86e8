"""Scripts for those who work on hftrun itself; nothing that runs imports them."""
