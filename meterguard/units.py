"""The units in which License Manager counts."""

from enum import StrEnum


class Unit(StrEnum):
    """The unit in which an entitlement is counted.

    The 27 values are the service's own (botocore model ``license-manager/2018-08-01``, shape
    ``EntitlementDataUnit``). ``Unit.NONE`` is a feature: held or not held, never counted. Wherever
    a unit is asked for, its wire string ("Count", "Megabytes/Second") will do as well.
    """

    COUNT = "Count"
    NONE = "None"
    SECONDS = "Seconds"
    MICROSECONDS = "Microseconds"
    MILLISECONDS = "Milliseconds"
    BYTES = "Bytes"
    KILOBYTES = "Kilobytes"
    MEGABYTES = "Megabytes"
    GIGABYTES = "Gigabytes"
    TERABYTES = "Terabytes"
    BITS = "Bits"
    KILOBITS = "Kilobits"
    MEGABITS = "Megabits"
    GIGABITS = "Gigabits"
    TERABITS = "Terabits"
    PERCENT = "Percent"
    BYTES_PER_SECOND = "Bytes/Second"
    KILOBYTES_PER_SECOND = "Kilobytes/Second"
    MEGABYTES_PER_SECOND = "Megabytes/Second"
    GIGABYTES_PER_SECOND = "Gigabytes/Second"
    TERABYTES_PER_SECOND = "Terabytes/Second"
    BITS_PER_SECOND = "Bits/Second"
    KILOBITS_PER_SECOND = "Kilobits/Second"
    MEGABITS_PER_SECOND = "Megabits/Second"
    GIGABITS_PER_SECOND = "Gigabits/Second"
    TERABITS_PER_SECOND = "Terabits/Second"
    COUNT_PER_SECOND = "Count/Second"

    @property
    def is_counted(self) -> bool:
        """False for :attr:`NONE` only."""
        return self is not Unit.NONE
