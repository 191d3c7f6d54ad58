"""The worldtick command: settings, catalogue of services, and the verbs."""
