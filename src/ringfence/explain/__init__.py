"""Why can A not reach B: names, packets and policies of one topology put into words. Called by the gateway."""
