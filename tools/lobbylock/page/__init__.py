"""The page for residents and managers: docs/page.md. It shows what is verified and decides nothing at a door."""
