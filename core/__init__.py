"""The words everybody shares. Pure: standard library and msgspec; see README.md."""
