"""The contracts of :mod:`abandoned_booking.ports` as suites that run over any adapter."""
