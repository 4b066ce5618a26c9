"""Guarded functions of a module, for another process to find by name."""

from __future__ import annotations

import os

from meterguard import consumes_entitlement, meters_usage, requires_entitlement

seat = requires_entitlement("Seats", 1, "Count")


@seat
def double(number):
    return 2 * number, os.getpid()


@consumes_entitlement("Pages", lambda number: number)
def drawn(number):
    return 2 * number, os.getpid()


@meters_usage("Requests")
def counted(number):
    return 2 * number, os.getpid()


class Work:
    def __init__(self, number):
        self.number = number

    @seat
    def double(self):
        return 2 * self.number, os.getpid()

    @classmethod
    @seat
    def of_class(cls, number):
        return 2 * number, os.getpid()

    @seat
    @staticmethod
    def of_nobody(number):
        return 2 * number, os.getpid()
