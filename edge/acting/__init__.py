"""Acting alone: what a station switches by itself, within a written mandate, and how it says so."""
