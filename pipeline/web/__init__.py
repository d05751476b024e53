"""The store's window: a service, an API and pages. Needs the extra ``serve``."""
