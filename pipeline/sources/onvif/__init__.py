"""Cameras found on the network, and what streams they offer: WS-Discovery and ONVIF."""
