"""One module for each thing that is measured; ``measure`` returns figures by name."""
